// <copy-button> copies the text of the element that its button's data-copy names, and says so.
class CopyButton extends HTMLElement {
  connectedCallback() {
    const button = this.querySelector("button");
    if (!button || this.ready) return;
    this.ready = true;
    const label = button.querySelector("[data-label]");
    const before = label.textContent;
    let timer;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      if (!source) return;
      let after = "Copied";
      try {
        await navigator.clipboard.writeText(source.textContent);
      } catch {
        // Without permission the text is selected, so that the person can copy it by hand.
        getSelection().selectAllChildren(source);
        after = "Press Ctrl+C";
      }
      this.dataset.state = "done";
      label.textContent = after;
      clearTimeout(timer);
      timer = setTimeout(() => {
        delete this.dataset.state;
        label.textContent = before;
      }, 2000);
    });
  }
}

// <relative-time> turns the absolute time inside into "3 minutes ago" and keeps the exact one in the tooltip.
const units = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function ago(date) {
  const seconds = Math.round((date - Date.now()) / 1000);
  if (Math.abs(seconds) < 5) return "just now";
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return relative.format(Math.trunc(seconds / size), unit);
}

class RelativeTime extends HTMLElement {
  connectedCallback() {
    this.update();
    this.timer = setInterval(() => this.update(), 10000);
    // A morph rewrites the text inside with the server's absolute time.
    this.observer = new MutationObserver(() => this.update());
    this.observer.observe(this, { attributes: true, childList: true, subtree: true, attributeFilter: ["datetime"] });
  }

  disconnectedCallback() {
    clearInterval(this.timer);
    this.observer?.disconnect();
  }

  update() {
    const time = this.querySelector("time");
    const date = new Date(time?.dateTime);
    if (Number.isNaN(date.getTime())) return;
    const text = ago(date);
    if (time.textContent === text) return;
    time.title = date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
    time.textContent = text;
  }
}

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

customElements.define("copy-button", CopyButton);
customElements.define("relative-time", RelativeTime);
customElements.define("slug-preview", SlugPreview);
