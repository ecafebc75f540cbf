/** A mask painted with mouse or finger over a picture; sent as a PNG, white on black, after every stroke. */
const SHADE = "#d9773f", SHADE_ALPHA = 0.55;

export default function ({ parentElement, data, setStateValue }) {
  const find = (selector) => parentElement.querySelector(selector);
  const canvas = find("canvas");
  if (canvas.dataset.picture === data.picture) return;
  canvas.dataset.picture = data.picture;

  const { width, height } = data;
  Object.assign(canvas, { width, height });
  const strokes = Object.assign(document.createElement("canvas"), { width, height });
  const pen = strokes.getContext("2d");
  Object.assign(pen, { lineCap: "round", lineJoin: "round", strokeStyle: SHADE });

  const picture = new Image();
  const draw = () => {
    const context = canvas.getContext("2d");
    context.globalAlpha = 1;
    context.drawImage(picture, 0, 0, width, height);
    context.globalAlpha = SHADE_ALPHA;
    context.drawImage(strokes, 0, 0);
  };
  picture.onload = draw;
  picture.src = data.picture;

  const send = () => {
    const pixels = pen.getImageData(0, 0, width, height);
    let painted = false;
    for (let at = 0; at < pixels.data.length; at += 4) {
      const level = pixels.data[at + 3];
      painted ||= level > 0;
      pixels.data.set([level, level, level, 255], at);
    }
    const mask = Object.assign(document.createElement("canvas"), { width, height });
    mask.getContext("2d").putImageData(pixels, 0, 0);
    setStateValue("mask", painted ? mask.toDataURL("image/png") : null);
  };

  let last = null;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * width) / box.width, ((event.clientY - box.top) * height) / box.height];
  };
  const stroke = (event) => {
    const next = place(event);
    pen.globalCompositeOperation = find("#erase").ariaPressed === "true" ? "destination-out" : "source-over";
    pen.lineWidth = (find("input").value / 100) * Math.max(width, height);
    pen.beginPath();
    pen.moveTo(...last);
    pen.lineTo(...next);
    pen.stroke();
    last = next;
    draw();
  };
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = place(event);
    stroke(event);
  };
  canvas.onpointermove = (event) => last && stroke(event);
  canvas.onpointerup = canvas.onpointercancel = () => {
    if (last) send();
    last = null;
  };
  find("#erase").onclick = ({ currentTarget }) => {
    currentTarget.ariaPressed = String(currentTarget.ariaPressed !== "true");
  };
  find("#clear").onclick = () => {
    pen.clearRect(0, 0, width, height);
    draw();
    send();
  };
}
