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

customElements.define("copy-button", CopyButton);
