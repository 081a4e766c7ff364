// A second click while a form is on its way does nothing, and the button says what is going on.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "true";
  const button = event.submitter;
  if (button?.dataset.busy) {
    button.setAttribute("aria-disabled", "true");
    const label = button.querySelector("[data-label]");
    if (label) label.textContent = button.dataset.busy;
  }
});

// The back button may bring a page back as it was left.
addEventListener("pageshow", (event) => {
  if (event.persisted) for (const form of document.forms) delete form.dataset.sent;
});

// The error summary gets the focus, so that it is read first and its links are next.
document.querySelector("[data-focus]")?.focus();
