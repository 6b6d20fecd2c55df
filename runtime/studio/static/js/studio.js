// Paint tab: its state, and the actions of its controls.

import { PaintingCanvas } from "./painting-canvas.js";
import { ask, clipMessage, download } from "./requests.js";
import { History } from "./history.js";
import { Layout, paletteWords } from "./layout.js";
import { CLASS_KEYS, Palette } from "./palette.js";
import { PaintSocket, drawRgb } from "./paint-socket.js";
import { arrowKeys, mark } from "./radio-group.js";
import { STYLES, StyleStrip } from "./style-strip.js";

const STYLES_AFTER_MS = 250;
const FRAMES = 6;
const LAST_STYLE = 252; // The last six seeds of the slider begin here at the latest.
const $ = (id) => document.getElementById(id);

export class Studio {
  constructor(info, say) {
    this.info = info;
    this.say = say;
    this.words = paletteWords(info.classes);
    this.history = new History();
    const [height, width] = info.sizes[0];
    this.state = {
      layout: new Layout(height, width),
      tool: "brush", label: 0, eraser: info.dont_care ?? 0, radius: 10, seed: 0,
    };
    this.firstFrame = 0;
    $("model").textContent = info.model;
    $("model").title = info.backend;
    this.palette = new Palette($("classes"), $("filter"), info.classes, (index) => (this.state.label = index));
    this.paintingCanvas = new PaintingCanvas({
      canvas: $("layout"), cursor: $("cursor"), state: this.state,
      onStroke: () => this.#changed(), onEnd: () => this.#ended(), onHover: (pixel) => this.#hover(pixel),
      onPick: (label) => { this.palette.choose(label); this.#tool("brush"); },
    });
    this.socket = new PaintSocket({
      onImage: (image) => this.#image(image),
      onStyle: (image) => this.styles.show(image),
      onError: (error) => this.say(error),
      onState: (state, told) => this.#connection(state, told),
    });
    this.styles = new StyleStrip($("styles"), (seed) => this.#seed(seed));
    this.styles.mark(this.state.seed);
    this.#controls();
    this.#size(height, width);
    this.palette.choose(Math.max(0, info.classes.findIndex(({ name }) => name === "car")));
    this.#begin();
  }

  async #begin() {
    if (this.info.drive) {
      await this.#frames();
      this.#load(this.frames[0]);
    } else {
      // A first layout to look at: the first class above the second.
      const { layout } = this.state;
      if (this.info.classes.length > 1) layout.labels.fill(1, layout.labels.length / 2);
      this.#load(layout);
    }
    document.documentElement.dataset.ready = "true";
  }

  #controls() {
    for (const button of document.querySelectorAll("#tools button")) button.onclick = () => this.#tool(button.dataset.tool);
    arrowKeys($("tools"), (button) => this.#tool(button.dataset.tool));
    this.#tool("brush");
    $("radius").oninput = () => this.#radius(Number($("radius").value));
    $("undo").onclick = () => this.#travel("undo");
    $("redo").onclick = () => this.#travel("redo");
    $("seed").oninput = () => this.#seed(Number($("seed").value));
    $("shuffle").onclick = () => { this.styles.first = (this.styles.first + STYLES) % LAST_STYLE; this.#askStyles(); };
    $("other-frames").onclick = () => this.#frames();
    $("open").onclick = () => $("file").click();
    $("file").onchange = () => { this.#read($("file").files[0]); $("file").value = ""; };
    for (const [height, width] of this.info.sizes) $("size").add(new Option(`${width} × ${height}`, `${height}x${width}`));
    $("size-label").hidden = this.info.sizes.length < 2;
    $("size").onchange = () => {
      const [height, width] = $("size").value.split("x").map(Number);
      this.#load(this.state.layout.resized(height, width));
      if (this.info.drive) this.#frames();
    };
    $("export-image").onclick = () => this.#export("image.png", (done) => $("image").toBlob(done));
    $("export-layout").onclick = () => this.#export("layout.png", (done) => $("layout").toBlob(done));
    $("export-clip").onclick = () => this.#clip();
    $("drive-row").hidden = !this.info.drive;
    const latent = this.info.latent > 0;
    $("seed").disabled = $("shuffle").disabled = !latent;
    $("styles").hidden = !latent;
    $("styles-note").hidden = latent;
    $("styles-note").textContent = `${this.info.model} has no latent: it makes one image of each layout. ` +
      "With a model that has one, six styles of the layout appear here.";
    document.querySelector(".rows").classList.toggle("single", !this.info.drive);
    addEventListener("keydown", (event) => this.#shortcut(event));
    addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
    addEventListener("dragleave", () => document.body.classList.remove("dropping"));
    addEventListener("drop", (event) => {
      event.preventDefault();
      document.body.classList.remove("dropping");
      this.#read(event.dataTransfer.files[0]);
    });
    addEventListener("pointerdown", (event) => { if (!$("export").contains(event.target)) $("export").open = false; });
  }

  #shortcut(event) {
    if ($("paint").hidden || $("keys").open || event.target.matches?.("input[type=search], select")) return;
    const key = event.key.toLowerCase();
    if (event.ctrlKey || event.metaKey) {
      if (key === "z") this.#travel(event.shiftKey ? "redo" : "undo");
      else if (key === "y") this.#travel("redo");
      else return;
      event.preventDefault();
      return;
    }
    if (event.altKey) return;
    const tool = { b: "brush", f: "fill", e: "erase", i: "pick" }[key];
    if (tool) this.#tool(tool);
    else if (CLASS_KEYS.includes(key) && key.length === 1) this.palette.choose(CLASS_KEYS.indexOf(key));
    else if (key === "[") this.#radius(this.state.radius - 2);
    else if (key === "]") this.#radius(this.state.radius + 2);
    else if (key === ",") this.#seed(this.state.seed - 1);
    else if (key === ".") this.#seed(this.state.seed + 1);
    else if (key === "o") $("file").click();
    else if (key === "d" && this.info.drive) this.#frames();
    else if (key === "escape") $("export").open = false;
    else return;
    event.preventDefault();
  }

  #tool(tool) {
    this.state.tool = tool;
    $("layout").dataset.tool = tool;
    mark($("tools"), document.querySelector(`#tools [data-tool=${tool}]`));
    this.paintingCanvas.refresh();
  }

  #radius(radius) {
    this.state.radius = Math.min(48, Math.max(1, radius));
    $("radius").value = $("radius-value").textContent = this.state.radius;
    this.paintingCanvas.refresh();
  }

  #seed(seed) {
    if (!this.info.latent) return;
    this.state.seed = Math.min(255, Math.max(0, seed));
    $("seed").value = $("seed-value").textContent = this.state.seed;
    this.styles.mark(this.state.seed);
    this.#paint();
  }

  /** Replace the layout, as a step that can be undone. */
  #load(layout) {
    this.state.layout = layout.copy();
    this.#size(layout.height, layout.width);
    this.#changed();
    this.#commit();
  }

  #size(height, width) {
    document.documentElement.style.setProperty("--ratio", width / height);
    $("size").value = `${height}x${width}`;
  }

  #changed() {
    this.state.layout.draw($("layout"), this.words);
    this.#paint();
  }

  #paint() {
    $("image").dataset.settled = "false";
    this.socket.paint(this.state.layout.copy(), this.state.seed);
  }

  #commit() {
    this.history.commit(this.state.layout);
    this.#buttons();
  }

  /** Finish a stroke. If its last image has arrived already, no later one requests its styles. */
  #ended() {
    this.#commit();
    this.#stylesSoon();
  }

  #travel(way) {
    if (this.paintingCanvas.painting) return;
    this.state.layout = this.history[way]();
    this.#size(this.state.layout.height, this.state.layout.width);
    this.#changed();
    this.#buttons();
  }

  #buttons() {
    $("undo").disabled = !this.history.canUndo;
    $("redo").disabled = !this.history.canRedo;
    const still = this.history.way(2).length < 2;
    $("clip-note").textContent = still && this.info.latent ? "MP4, to the next style" : "MP4 of the painting steps";
  }

  #hover(pixel) {
    $("under").textContent = pixel ? this.info.classes[this.state.layout.at(pixel.x, pixel.y)].name : "";
  }

  #image(image) {
    drawRgb($("image"), image);
    $("image").dataset.version = Number($("image").dataset.version ?? 0) + 1;
    $("latency").dataset.state = "good";
    $("latency").querySelector("b").textContent = `${Math.round(image.latencyMs)} ms`;
    $("timing").textContent = `${image.width} × ${image.height}, ${image.renderMs.toFixed(0)} ms in the generator`;
    $("image").dataset.settled = String(this.socket.idle);
    this.#stylesSoon();
  }

  #stylesSoon() {
    clearTimeout(this.stylesTimer);
    if (this.socket.idle) this.stylesTimer = setTimeout(() => this.#askStyles(), STYLES_AFTER_MS);
  }

  #connection(state, told) {
    if (state === "lost" && !told && $("latency").dataset.state !== "lost") this.say("The connection was lost; trying again.");
    if (state === "open" && $("latency").dataset.state === "lost") this.say("");
    $("latency").dataset.state = state === "open" ? "wait" : "lost";
    $("latency").querySelector("b").textContent = state === "open" ? "ready" : "reconnecting";
  }

  #askStyles() {
    if (!this.info.latent || this.paintingCanvas.painting) return;
    this.styles.mark(this.state.seed);
    this.socket.styles(this.state.layout, this.styles.first, STYLES);
  }

  async #frames() {
    const { height, width } = this.state.layout;
    const town = this.firstFrame++;
    this.frames = await Promise.all(Array.from({ length: FRAMES }, async (_, index) => {
      const query = `height=${height}&width=${width}&seed=${town * FRAMES + index}`;
      const answer = await ask(this.say, `api/drive/${150 + 211 * index}?${query}`);
      return answer && new Layout(height, width, new Uint8Array(answer));
    }));
    $("frames").replaceChildren(...this.frames.filter(Boolean).map((layout, index) => {
      const button = document.createElement("button");
      const canvas = document.createElement("canvas");
      layout.draw(canvas, this.words);
      button.setAttribute("aria-label", `Start from drive frame ${index + 1}`);
      button.append(canvas);
      button.onclick = () => this.#load(layout);
      return button;
    }));
  }

  async #read(file) {
    if (!file) return;
    const { height, width } = this.state.layout;
    const answer = await ask(this.say, `api/layout?height=${height}&width=${width}`, file);
    if (answer) this.#load(new Layout(height, width, new Uint8Array(answer)));
  }

  async #clip() {
    const layouts = this.history.way(this.info.clip_frames);
    this.say("Rendering the clip …");
    const answer = await ask(this.say, "api/clip", clipMessage(layouts, this.state.seed));
    if (!answer) return;
    this.say("");
    this.#export("clip.mp4", (done) => done(new Blob([answer], { type: "video/mp4" })));
  }

  #export(name, make) {
    $("export").open = false;
    make((blob) => download(name, blob));
  }
}
