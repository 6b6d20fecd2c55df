// Palette of classes: names, colors, and the keys of the first twelve.

import { arrowKeys, mark } from "./radio-group.js";

export const CLASS_KEYS = "1234567890-=";
const FILTER_FROM = 25;

export class Palette {
  #buttons = [];

  constructor(container, filter, classes, onChoice) {
    this.onChoice = onChoice;
    this.container = container;
    classes.forEach(({ name, color }, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("role", "radio");
      button.dataset.label = index;
      const swatch = document.createElement("i");
      swatch.style.background = `rgb(${color.join(" ")})`;
      const text = document.createElement("span");
      text.textContent = name;
      button.append(swatch, text);
      if (index < CLASS_KEYS.length) {
        const key = document.createElement("kbd");
        key.textContent = CLASS_KEYS[index];
        key.setAttribute("aria-hidden", "true");
        button.setAttribute("aria-keyshortcuts", CLASS_KEYS[index]);
        button.append(key);
      }
      button.onclick = () => this.choose(index);
      container.append(button);
      this.#buttons.push(button);
    });
    arrowKeys(container, (button) => this.choose(Number(button.dataset.label)));
    filter.hidden = classes.length < FILTER_FROM;
    filter.oninput = () => {
      const wanted = filter.value.trim().toLowerCase();
      this.#buttons.forEach((button, index) => {
        button.hidden = !classes[index].name.toLowerCase().includes(wanted);
      });
    };
  }

  choose(index) {
    if (!this.#buttons[index]) return;
    mark(this.container, this.#buttons[index]);
    this.#buttons[index].scrollIntoView({ block: "nearest", inline: "nearest" });
    this.onChoice(index);
  }
}
