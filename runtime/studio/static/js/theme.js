// Theme: light, dark, or the system's; remembered in this browser.

const NAMES = { auto: "as the system", light: "light", dark: "dark" };
const ICONS = { auto: "#i-auto", light: "#i-sun", dark: "#i-moon" };
const system = matchMedia("(prefers-color-scheme: dark)");

export function setUpTheme(button) {
  let choice = "auto";
  try {
    choice = localStorage.getItem("theme") ?? "auto";
  } catch {
    // If storage is forbidden, the system's theme applies.
  }
  if (!(choice in NAMES)) choice = "auto";
  const show = () => {
    const dark = choice === "dark" || (choice === "auto" && system.matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    button.setAttribute("aria-label", `Theme: ${NAMES[choice]}`);
    button.title = `Theme: ${NAMES[choice]}`;
    button.querySelector("use").setAttribute("href", ICONS[choice]);
  };
  button.onclick = () => {
    const names = Object.keys(NAMES);
    choice = names[(names.indexOf(choice) + 1) % names.length];
    try {
      localStorage.setItem("theme", choice);
    } catch {
      // Storage is forbidden: the choice lasts until the page is left.
    }
    show();
  };
  system.addEventListener("change", show);
  show();
}
