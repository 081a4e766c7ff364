// <slug-preview> derives the slug from the name until the slug is typed by hand, and shows the address it makes.
class SlugPreview extends HTMLElement {
  connectedCallback() {
    const name = this.querySelector("[name=name]");
    const slug = this.querySelector("[name=slug]");
    const shown = this.querySelector("[data-slug]");
    if (!slug) return;
    let typed = slug.value !== "";
    const show = () => {
      if (shown) shown.textContent = slug.value || shown.dataset.slug;
    };
    name?.addEventListener("input", () => {
      if (!typed) slug.value = slugOf(name.value);
      show();
    });
    slug.addEventListener("input", () => {
      typed = slug.value !== "";
      show();
    });
    for (const button of this.querySelectorAll("[data-suggest]")) {
      button.addEventListener("click", () => {
        slug.value = button.dataset.suggest;
        typed = true;
        show();
        slug.focus();
      });
    }
    show();
  }
}

function slugOf(text) {
  return text
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+/, "")
    .slice(0, 32)
    .replace(/-+$/, "");
}

customElements.define("slug-preview", SlugPreview);
