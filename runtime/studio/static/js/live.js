// Live tab: pictures of the demo, each requested when the one before is drawn.

const STARTING = "Starting …";
const CAPTIONS = { frame: "Camera", layout: "Layout", image: "Image" };

export class Live {
  #socket = null;
  #canvases = new Map();

  constructor(root, source) {
    this.root = root;
    this.panels = root.querySelector("#panels");
    this.note = root.querySelector("#live-note");
    root.querySelector("#source").textContent = source;
  }

  start() {
    if (this.#socket) return;
    const address = new URL("ws/live", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    this.note.textContent = STARTING;
    socket.onmessage = async ({ data }) => {
      if (typeof data === "string") {
        const { error, ended } = JSON.parse(data);
        this.note.textContent = error ?? ended;
      } else {
        await this.#draw(data);
      }
      if (socket.readyState === WebSocket.OPEN) socket.send("next");
    };
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      if (this.note.textContent && this.note.textContent !== STARTING) return;
      this.note.textContent = "The connection was lost; open this tab again.";
    };
  }

  stop() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  async #draw(data) {
    const length = new DataView(data).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    let place = 4 + length;
    for (const [name, size] of head.parts) {
      const type = name === "layout" ? "image/png" : "image/jpeg";
      const bitmap = await createImageBitmap(new Blob([new Uint8Array(data, place, size)], { type }));
      const canvas = this.#canvas(name, bitmap);
      canvas.getContext("2d").drawImage(bitmap, 0, 0);
      bitmap.close();
      place += size;
    }
    this.note.textContent = "";
    this.root.querySelector("#rate").textContent = head.frames_per_second.toFixed(1);
    this.#table(head.stages);
    this.root.dataset.frames = Number(this.root.dataset.frames ?? 0) + 1;
  }

  #canvas(name, { width, height }) {
    let canvas = this.#canvases.get(name);
    if (!canvas) {
      canvas = document.createElement("canvas");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", CAPTIONS[name]);
      if (name === "layout") canvas.style.imageRendering = "pixelated";
      const stage = document.createElement("div");
      stage.className = "stage";
      stage.append(canvas);
      const caption = document.createElement("figcaption");
      caption.textContent = CAPTIONS[name];
      const figure = document.createElement("figure");
      figure.append(stage, caption);
      this.panels.append(figure);
      this.#canvases.set(name, canvas);
    }
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
      this.root.style.setProperty("--ratio", width / height);
    }
    return canvas;
  }

  #table(stages) {
    const entries = Object.entries(stages);
    const longest = Math.max(1, ...entries.map(([, [, p95]]) => p95));
    const body = this.root.querySelector("#stages");
    while (body.rows.length > entries.length) body.deleteRow(-1);
    entries.forEach(([name, [p50, p95]], index) => {
      let row = body.rows[index];
      if (!row) {
        row = body.insertRow();
        const head = document.createElement("th");
        head.scope = "row";
        row.append(head, ...[0, 1, 2].map(() => document.createElement("td")));
        row.lastChild.className = "time";
        row.lastChild.append(document.createElement("i"));
      }
      row.children[0].textContent = name;
      row.children[1].textContent = p50.toFixed(1);
      row.children[2].textContent = p95.toFixed(1);
      row.lastChild.firstChild.style.width = `${(100 * p50) / longest}%`;
    });
  }
}
