// <dialog-opener> makes the link or button inside open the dialog that its data-dialog names. The browser gives the
// focus back when the dialog closes.
class DialogOpener extends HTMLElement {
  connectedCallback() {
    if (this.ready) return;
    this.ready = true;
    this.addEventListener("click", (event) => {
      const dialog = document.getElementById(this.dataset.dialog);
      if (!dialog || event.ctrlKey || event.metaKey || event.shiftKey || !event.target.closest("a, button")) return;
      event.preventDefault();
      dialog.showModal();
    });
  }
}

// A click beside a dialog closes it.
document.addEventListener("click", ({ target, clientX, clientY }) => {
  if (!(target instanceof HTMLDialogElement) || !target.open) return;
  const box = target.getBoundingClientRect();
  const inside = clientX >= box.left && clientX <= box.right && clientY >= box.top && clientY <= box.bottom;
  if (!inside) target.close();
});

customElements.define("dialog-opener", DialogOpener);
