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

customElements.define("live-state", LiveState);
