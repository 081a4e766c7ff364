// On a narrow screen the tabs scroll sideways: the page's own is brought into view.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
