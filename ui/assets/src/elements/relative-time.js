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
    this.observer.observe(this, { attributes: true, childList: true, characterData: true, subtree: true, attributeFilter: ["datetime"] });
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

customElements.define("relative-time", RelativeTime);
