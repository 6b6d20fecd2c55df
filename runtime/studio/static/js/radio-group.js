// Arrow keys in a group of radio buttons, as WAI-ARIA's radio group pattern expects them.

const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

/** Let arrow keys choose the next or previous button of a group; `choose` receives the button. */
export function arrowKeys(group, choose) {
  group.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    const shown = [...group.querySelectorAll("[role=radio]")].filter((button) => !button.hidden);
    const place = shown.indexOf(event.target.closest("[role=radio]"));
    if (!step || place < 0) return;
    event.preventDefault();
    const next = shown[(place + step + shown.length) % shown.length];
    choose(next);
    next.focus();
  });
}

/** Mark the chosen button of a group; only it is reached by the tab key. */
export function mark(group, chosen) {
  for (const button of group.querySelectorAll("[role=radio]")) {
    button.setAttribute("aria-checked", String(button === chosen));
    button.tabIndex = button === chosen ? 0 : -1;
  }
}
