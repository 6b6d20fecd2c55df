// Undo and redo: copies of whole layouts, of which the oldest is dropped first.

const MOST = 121; // 120 steps, and where they begin.

export class History {
  #states = [];
  #place = -1;

  commit(layout) {
    if (this.#place >= 0 && this.#states[this.#place].equals(layout)) return;
    this.#states.length = this.#place + 1;
    this.#states.push(layout.copy());
    if (this.#states.length > MOST) this.#states.shift();
    this.#place = this.#states.length - 1;
  }

  get canUndo() {
    return this.#place > 0;
  }

  get canRedo() {
    return this.#place < this.#states.length - 1;
  }

  undo() {
    if (this.canUndo) this.#place--;
    return this.#states[this.#place].copy();
  }

  redo() {
    if (this.canRedo) this.#place++;
    return this.#states[this.#place].copy();
  }

  /** Layouts of the painting steps so far: at most `most`, of the size of the last, evenly spread. */
  way(most) {
    const last = this.#states[this.#place];
    const states = this.#states.slice(0, this.#place + 1)
      .filter((state) => state.height === last.height && state.width === last.width);
    if (states.length <= most) return states;
    return Array.from({ length: most }, (_, i) => states[Math.round((i * (states.length - 1)) / (most - 1))]);
  }
}
