// <live-pill> counts the new rows that the stream announces and shows "3 new" instead of moving the page by itself.
class LivePill extends HTMLElement {
  connectedCallback() {
    this.stream = document.getElementById(this.dataset.stream);
    this.count = 0;
    this.onRows = (event) => {
      this.count += Number.parseInt(event.detail?.data, 10) || 0;
      this.show();
    };
    this.stream?.addEventListener("logs", this.onRows);
    this.addEventListener("click", () => {
      this.count = 0;
      this.show();
    });
  }

  disconnectedCallback() {
    this.stream?.removeEventListener("logs", this.onRows);
  }

  show() {
    const label = this.querySelector("[data-label]");
    if (label) label.textContent = `${this.count > 99 ? "99+" : this.count} new`;
    this.hidden = this.count === 0;
  }
}

// <live-state> says whether the stream is up. The words are in the markup, one element per state.
class LiveState extends HTMLElement {
  connectedCallback() {
    const stream = document.getElementById(this.dataset.stream);
    const set = (state) => () => {
      this.dataset.state = state;
      for (const part of this.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== state;
    };
    stream?.addEventListener("htmx:sse:after:connection", set("live"));
    stream?.addEventListener("htmx:sse:error", set("lost"));
    stream?.addEventListener("htmx:sse:close", set("off"));
  }
}

customElements.define("live-pill", LivePill);
customElements.define("live-state", LiveState);
