// Keys for those who like them: "/" goes to the filter, "g" and a letter to a page, "j" and "k" along the rows of a
// list, "?" tells. They are off while something is typed, and for good where the help is told so (WCAG 2.1.4).
const store = "emcy-keys";
const read = () => {
  try {
    return localStorage.getItem(store) !== "off";
  } catch {
    return true; // a browser that keeps nothing keeps the keys on
  }
};
let on = read();
let going = false;

const help = () => document.getElementById("keys");
const box = () => document.getElementById("keys-on");

function typing(target) {
  return target.closest("input, textarea, select, [contenteditable]") !== null;
}

function along(step) {
  const links = [...document.querySelectorAll("main .cell-link, main .row-link")];
  if (links.length === 0) return false;
  const at = links.indexOf(document.activeElement);
  links[Math.min(Math.max(at + step, 0), links.length - 1)].focus();
  return true;
}

function go(key) {
  const link = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
  link?.click();
  return link !== null;
}

// "g" waits for the next key however long that takes: a slow hand or a busy machine must not decide what a key does.
function press(key) {
  const waited = going;
  going = false;
  if (waited && go(key)) return true;
  switch (key) {
    case "g":
      going = true;
      return true;
    case "/": {
      const filter = document.querySelector("main [data-filter]");
      filter?.focus();
      return Boolean(filter);
    }
    case "j":
      return along(1);
    case "k":
      return along(-1);
    case "?":
      help()?.showModal();
      return true;
  }
  return false;
}

document.addEventListener("keydown", (event) => {
  if (!on || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (typing(event.target) || document.querySelector("dialog[open]")) return;
  if (press(event.key)) event.preventDefault();
});

// Whoever takes the pointer has given up what "g" waited for.
document.addEventListener("pointerdown", () => (going = false));

document.addEventListener("change", ({ target }) => {
  if (target !== box()) return;
  on = target.checked;
  try {
    localStorage.setItem(store, on ? "on" : "off");
  } catch {
    // It holds for this page then.
  }
});

if (box()) box().checked = on;
