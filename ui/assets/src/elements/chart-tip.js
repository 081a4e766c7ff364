// <chart-tip> writes below the chart what the pointer is at. The table beside the chart says all of it.
class ChartTip extends HTMLElement {
  connectedCallback() {
    if (this.ready) return;
    this.ready = true;
    const text = this.querySelector("[data-tip-text]");
    if (!text) return;
    this.addEventListener("pointerover", (event) => {
      text.textContent = event.target.closest("[data-tip]")?.dataset.tip ?? "";
    });
    this.addEventListener("pointerleave", () => {
      text.textContent = "";
    });
  }
}

customElements.define("chart-tip", ChartTip);
