// Canvas for painting: turns pointer, touch and keyboard input into strokes.

export class PaintingCanvas {
  #from = null;
  #pointer = null;
  #at = "";
  #keyboard = null;

  /**
   * @param {{canvas: HTMLCanvasElement, cursor: HTMLElement, state: object, onStroke: Function, onEnd: Function,
   *          onPick: Function, onHover: Function}} parts
   *   `state` has layout, tool, label, eraser and radius; `onStroke` follows every change, `onEnd` a finished one.
   */
  constructor(parts) {
    Object.assign(this, parts);
    const { canvas } = this;
    canvas.onpointerdown = (event) => this.#down(event);
    canvas.onpointermove = (event) => this.#moved(event);
    canvas.onpointerup = canvas.onpointercancel = canvas.onlostpointercapture = (event) => {
      if (event.pointerId === this.#pointer) this.#up();
    };
    canvas.onpointerleave = () => {
      if (!this.#from) this.cursor.hidden = true;
      this.onHover(null);
    };
    canvas.onkeydown = (event) => this.#key(event);
    canvas.onblur = () => (this.cursor.hidden = true);
  }

  get painting() {
    return this.#from !== null;
  }

  /** Redraw the brush in its place, after its size or the tool changed. */
  refresh() {
    if (!this.cursor.hidden && this.last) this.#show(this.last);
  }

  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    const { width, height } = this.state.layout;
    return { x: ((event.clientX - box.left) / box.width) * width, y: ((event.clientY - box.top) / box.height) * height };
  }

  #down(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true, focusVisible: false });
    // One stroke at a time: a second finger or a palm does not paint.
    if (this.#from) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.#pointer = event.pointerId;
    this.#keyboard = null;
    this.last = this.#place(event);
    this.#apply(this.last, null);
  }

  #moved(event) {
    if (this.#from && event.pointerId !== this.#pointer) return;
    // The keyboard continues from the pointer's last place. (Browsers send move events without a move, too.)
    const at = `${event.clientX},${event.clientY}`;
    if (at !== this.#at) this.#keyboard = null;
    this.#at = at;
    // All positions since the last event, so that a quick stroke stays smooth.
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) {
      const place = this.#place(one);
      if (this.#from) this.#apply(place, this.#from);
      this.last = place;
    }
    this.#show(this.last);
    this.onHover(this.#pixel(this.last));
  }

  #up() {
    if (!this.#from) return;
    this.#from = null;
    this.onEnd();
  }

  #apply(place, from) {
    const { state } = this;
    const { x, y } = this.#pixel(place);
    if (state.tool === "pick") {
      this.onPick(state.layout.at(x, y));
      return;
    }
    if (state.tool === "fill") {
      if (from) return;
      state.layout.fill(x, y, state.label);
      this.#from = place;
      this.onStroke();
      return;
    }
    const start = from ?? place;
    const label = state.tool === "erase" ? state.eraser : state.label;
    state.layout.line(start.x, start.y, place.x, place.y, state.radius, label);
    this.#from = place;
    this.onStroke();
  }

  #pixel({ x, y }) {
    const { width, height } = this.state.layout;
    return { x: Math.min(width - 1, Math.max(0, Math.floor(x))), y: Math.min(height - 1, Math.max(0, Math.floor(y))) };
  }

  #show({ x, y }) {
    const { tool, radius, layout } = this.state;
    const { cursor, canvas } = this;
    this.last = { x, y };
    cursor.hidden = tool === "fill" || tool === "pick";
    const size = (2 * radius * canvas.clientWidth) / layout.width;
    cursor.style.width = cursor.style.height = `${size}px`;
    cursor.style.left = `${(x / layout.width) * 100}%`;
    cursor.style.top = `${(y / layout.height) * 100}%`;
  }

  #key(event) {
    const step = event.shiftKey ? 8 : 1;
    const { width, height } = this.state.layout;
    const before = this.#keyboard ?? this.last ?? { x: width / 2, y: height / 2 };
    // The layout may have become smaller in the meantime.
    const place = { x: Math.min(width, before.x), y: Math.min(height, before.y) };
    const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    if (move) {
      this.#keyboard = {
        x: Math.min(width, Math.max(0, place.x + move[0])),
        y: Math.min(height, Math.max(0, place.y + move[1])),
      };
      this.#show(this.#keyboard);
      this.cursor.hidden = false;
      this.onHover(this.#pixel(this.#keyboard));
    } else if (event.key === " " || event.key === "Enter") {
      if (!this.#from) {
        this.#apply(place, null);
        this.#up();
      }
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
