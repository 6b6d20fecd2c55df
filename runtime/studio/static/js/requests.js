// Requests to the studio other than strokes, and downloads.

const CLIP_HEAD = 16;

/** Bytes of the studio's answer; null if it refuses or cannot be reached, with a message through `say`. */
export async function ask(say, path, body) {
  try {
    const answer = await fetch(path, body ? { method: "POST", body } : {});
    if (answer.ok) return await answer.arrayBuffer();
    say((await answer.json()).error ?? `The studio answered with status ${answer.status}.`);
  } catch {
    say("The studio does not answer; is it still running?");
  }
  return null;
}

/** Message that requests a clip of layouts of one size. */
export function clipMessage(layouts, seed) {
  const [{ height, width }] = layouts;
  const message = new Uint8Array(CLIP_HEAD + layouts.length * height * width);
  const head = new DataView(message.buffer);
  message.set([0x4c, 0x52, 0x54, 0x63]); // "LRTc"
  head.setUint32(4, seed, true);
  head.setUint16(8, height, true);
  head.setUint16(10, width, true);
  head.setUint16(12, layouts.length, true);
  layouts.forEach(({ labels }, index) => message.set(labels, CLIP_HEAD + index * height * width));
  return message;
}

/** Let the browser save a file. */
export function download(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
