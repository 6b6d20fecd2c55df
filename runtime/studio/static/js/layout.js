// Layout: class indices in rows, with the operations that change them.

export class Layout {
  /** @param {number} height @param {number} width @param {Uint8Array} [labels] */
  constructor(height, width, labels = new Uint8Array(height * width)) {
    this.height = height;
    this.width = width;
    this.labels = labels;
  }

  copy() {
    return new Layout(this.height, this.width, this.labels.slice());
  }

  equals(other) {
    return this.height === other.height && this.width === other.width &&
      this.labels.every((label, index) => label === other.labels[index]);
  }

  at(x, y) {
    return this.labels[y * this.width + x];
  }

  /** Paint a line with a round brush, its ends included. Positions in pixels, fractions allowed. */
  line(x0, y0, x1, y1, radius, label) {
    const steps = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0) / Math.max(0.5, radius / 3)));
    for (let step = 0; step <= steps; step++) {
      const t = step / steps;
      this.#disc(x0 + (x1 - x0) * t, y0 + (y1 - y0) * t, radius, label);
    }
  }

  #disc(x, y, radius, label) {
    const top = Math.max(0, Math.ceil(y - radius - 0.5));
    const bottom = Math.min(this.height - 1, Math.floor(y + radius - 0.5));
    for (let row = top; row <= bottom; row++) {
      const dy = row + 0.5 - y;
      const half = Math.sqrt(Math.max(0, radius * radius - dy * dy));
      const left = Math.max(0, Math.ceil(x - half - 0.5));
      const right = Math.min(this.width, Math.floor(x + half - 0.5) + 1);
      if (right > left) this.labels.fill(label, row * this.width + left, row * this.width + right);
    }
  }

  /** Paint the connected area around a pixel. */
  fill(x, y, label) {
    const { width, height, labels } = this;
    const old = this.at(x, y);
    if (old === label) return;
    const open = [y * width + x];
    labels[open[0]] = label;
    while (open.length) {
      const place = open.pop();
      const column = place % width;
      for (const [next, inside] of [
        [place - 1, column > 0], [place + 1, column < width - 1],
        [place - width, place >= width], [place + width, place < (height - 1) * width],
      ]) {
        if (inside && labels[next] === old) {
          labels[next] = label;
          open.push(next);
        }
      }
    }
  }

  /** The same picture at another size, by nearest sampling. */
  resized(height, width) {
    const made = new Layout(height, width);
    for (let y = 0; y < height; y++) {
      const row = Math.floor((y * this.height) / height) * this.width;
      for (let x = 0; x < width; x++) {
        made.labels[y * width + x] = this.labels[row + Math.floor((x * this.width) / width)];
      }
    }
    return made;
  }

  /** Draw it in its colors; `palette` has red, green, blue of each class. */
  draw(canvas, palette) {
    if (canvas.width !== this.width || canvas.height !== this.height) {
      canvas.width = this.width;
      canvas.height = this.height;
    }
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(this.width, this.height);
    const words = new Uint32Array(pixels.data.buffer);
    for (let i = 0; i < words.length; i++) words[i] = palette[this.labels[i]];
    context.putImageData(pixels, 0, 0);
  }
}

/** Colors as 32-bit words of a canvas (red is the lowest byte). */
export function paletteWords(classes) {
  return Uint32Array.from(classes, ({ color: [r, g, b] }) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0);
}
