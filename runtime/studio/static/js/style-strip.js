// Six styles of the layout to choose from: images of consecutive seeds.

import { drawRgb } from "./paint-socket.js";

export const STYLES = 6;

export class StyleStrip {
  /** Seed of the first style. */
  first = 0;

  constructor(container, onChoice) {
    this.container = container;
    for (let index = 0; index < STYLES; index++) {
      const button = document.createElement("button");
      button.append(document.createElement("canvas"), document.createElement("small"));
      button.onclick = () => onChoice(this.first + index);
      container.append(button);
    }
  }

  /** Label the styles with their seeds, and mark the style that is shown. */
  mark(chosen) {
    [...this.container.children].forEach((button, index) => {
      const seed = this.first + index;
      button.querySelector("small").textContent = seed;
      button.setAttribute("aria-label", `Style of seed ${seed}`);
      button.setAttribute("aria-pressed", String(seed === chosen));
    });
  }

  show(image) {
    const button = this.container.children[image.seed - this.first];
    if (button) drawRgb(button.querySelector("canvas"), image);
  }
}
