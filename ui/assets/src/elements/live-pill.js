// <live-pill> counts the new rows that the stream announces (in the event "logs", or the one in data-event) and shows "3 new" instead of moving the page by itself.
class LivePill extends HTMLElement {
  connectedCallback() {
    this.stream = document.getElementById(this.dataset.stream);
    this.count = 0;
    this.onRows = (event) => {
      this.count += Number.parseInt(event.detail?.data, 10) || 0;
      this.show();
    };
    this.stream?.addEventListener(this.dataset.event || "logs", this.onRows);
    this.addEventListener("click", () => {
      this.count = 0;
      this.show();
    });
  }

  disconnectedCallback() {
    this.stream?.removeEventListener(this.dataset.event || "logs", this.onRows);
  }

  show() {
    const label = this.querySelector("[data-label]");
    if (label) label.textContent = `${this.count > 99 ? "99+" : this.count} new`;
    this.hidden = this.count === 0;
  }
}

customElements.define("live-pill", LivePill);
