// WebSocket for painting: sends layouts, receives images. One stroke is in flight; only the newest waits for it.

const HEAD = 20, IMAGE_HEAD = 28;
const TURNED_AWAY = 1013; // The studio has said why before it closed.
const FIRST_WAIT = 400, LONGEST_WAIT = 8000;

export class PaintSocket {
  #socket = null;
  #id = 0;
  #sent = new Map();
  #pending = null;
  #underWay = null;
  #wait = FIRST_WAIT;

  /** @param {{onImage: Function, onStyle: Function, onError: Function, onState: Function}} handlers */
  constructor(handlers) {
    this.handlers = handlers;
    this.#connect();
  }

  /** Request the image of a layout; earlier requests without an answer are dropped. */
  paint(layout, seed) {
    this.#pending = { layout, seed };
    this.#next();
  }

  /** Request images of `count` seeds from `seed` on. */
  styles(layout, seed, count) {
    if (this.#open) this.#send(layout, seed, count);
  }

  /** True if no answer is pending. */
  get idle() {
    return this.#underWay === null && this.#pending === null;
  }

  get #open() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  #connect() {
    const address = new URL("ws/paint", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => {
      this.handlers.onState("open");
      this.#next();
    };
    socket.onmessage = ({ data }) => (typeof data === "string" ? this.#error(JSON.parse(data)) : this.#image(data));
    socket.onclose = ({ code }) => {
      if (this.#underWay && !this.#pending) this.#pending = this.#underWay;
      this.#underWay = null;
      this.handlers.onState("lost", code === TURNED_AWAY);
      setTimeout(() => this.#connect(), this.#wait);
      this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT);
    };
  }

  #next() {
    if (!this.#open || this.#underWay || !this.#pending) return;
    this.#underWay = this.#pending;
    this.#pending = null;
    this.#underWay.id = this.#send(this.#underWay.layout, this.#underWay.seed, 0);
  }

  #send(layout, seed, styles) {
    const message = new Uint8Array(HEAD + layout.labels.length);
    const head = new DataView(message.buffer);
    const id = (this.#id = (this.#id + 1) >>> 0);
    message.set([0x4c, 0x52, 0x54, 0x70]); // "LRTp"
    head.setUint32(4, id, true);
    head.setUint32(8, seed, true);
    head.setUint16(12, layout.height, true);
    head.setUint16(14, layout.width, true);
    head.setUint8(16, styles);
    message.set(layout.labels, HEAD);
    this.#sent.set(id, performance.now());
    if (this.#sent.size > 64) this.#sent.delete(this.#sent.keys().next().value);
    this.#socket.send(message);
    return id;
  }

  #image(data) {
    const head = new DataView(data);
    const id = head.getUint32(4, true);
    const image = {
      seed: head.getUint32(8, true),
      height: head.getUint16(12, true),
      width: head.getUint16(14, true),
      waitMs: head.getFloat32(20, true),
      renderMs: head.getFloat32(24, true),
      rgb: new Uint8Array(data, IMAGE_HEAD),
      latencyMs: performance.now() - (this.#sent.get(id) ?? performance.now()),
    };
    if (head.getUint8(16)) {
      this.handlers.onStyle(image);
      return;
    }
    this.#wait = FIRST_WAIT;
    if (this.#underWay?.id === id) this.#underWay = null;
    this.#next();
    this.handlers.onImage(image);
  }

  #error({ error, id }) {
    // An error without an id concerns the connection: the pending request is sent again on the next one.
    if (this.#underWay?.id === id) this.#underWay = null;
    this.handlers.onError(error);
    this.#next();
  }
}

/** Draw RGB bytes on a canvas. */
export function drawRgb(canvas, { width, height, rgb }) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    pixels.data[to] = rgb[from];
    pixels.data[to + 1] = rgb[from + 1];
    pixels.data[to + 2] = rgb[from + 2];
    pixels.data[to + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}
