/** Draws a mask over an image with mouse or finger; sends it after every stroke as a PNG file, white on black. */
const MASK_OPACITY = 0.55;

export default function ({ parentElement, data, setStateValue }) {
  const find = (selector) => parentElement.querySelector(selector);
  const canvas = find("canvas");
  if (canvas.dataset.image === data.image) return; // Streamlit calls this function after every interaction
  canvas.dataset.image = data.image;

  const { width, height } = data;
  Object.assign(canvas, { width, height });
  const mask = createMask(width, height, getComputedStyle(canvas).getPropertyValue("--mask-color"));

  const image = new Image();
  const redraw = () => {
    const context = canvas.getContext("2d");
    context.globalAlpha = 1;
    context.drawImage(image, 0, 0, width, height);
    context.globalAlpha = MASK_OPACITY;
    context.drawImage(mask.canvas, 0, 0);
  };
  image.onload = redraw;
  image.src = data.image;

  const send = () => setStateValue("mask", encodeMask(mask));

  let last = null; // [x, y] of the pointer in mask pixels during a stroke
  const position = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * width) / box.width, ((event.clientY - box.top) * height) / box.height];
  };
  const extendStroke = (event) => {
    const next = position(event);
    mask.globalCompositeOperation = find("#erase").ariaPressed === "true" ? "destination-out" : "source-over";
    mask.lineWidth = (find("input").value / 100) * Math.max(width, height);
    mask.beginPath();
    mask.moveTo(...last);
    mask.lineTo(...next);
    mask.stroke();
    last = next;
    redraw();
  };
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = position(event);
    extendStroke(event);
  };
  canvas.onpointermove = (event) => last && extendStroke(event);
  canvas.onpointerup = canvas.onpointercancel = () => {
    if (last) send();
    last = null;
  };
  find("#erase").onclick = ({ currentTarget }) => {
    currentTarget.ariaPressed = String(currentTarget.ariaPressed !== "true");
  };
  find("#clear").onclick = () => {
    mask.clearRect(0, 0, width, height);
    redraw();
    send();
  };
}

/** Returns the drawing context of a transparent canvas; the mask is its alpha channel. */
function createMask(width, height, color) {
  const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
  return Object.assign(context, { lineCap: "round", lineJoin: "round", strokeStyle: color });
}

/** Returns the mask as a data URL of a PNG file, or null if nothing is drawn. */
function encodeMask(mask) {
  const { width, height } = mask.canvas;
  const pixels = mask.getImageData(0, 0, width, height);
  let empty = true;
  for (let offset = 0; offset < pixels.data.length; offset += 4) {
    const alpha = pixels.data[offset + 3];
    empty &&= alpha === 0;
    pixels.data.set([alpha, alpha, alpha, 255], offset);
  }
  if (empty) return null;
  const file = Object.assign(document.createElement("canvas"), { width, height });
  file.getContext("2d").putImageData(pixels, 0, 0);
  return file.toDataURL("image/png");
}
