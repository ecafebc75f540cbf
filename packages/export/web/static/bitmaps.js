// Conversions between bitmaps of the browser and images as resize.js defines them.

import { roundHalfToEven } from "./schedule.js";

/** Return a bitmap with its long side reduced to `size` as ImageData, over white where it is transparent. */
export function scaleBitmap(bitmap, size, minSide) {
  const scale = Math.min(1, size / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(roundHalfToEven(side * scale), minSide));
  let source = bitmap;
  // Browsers may interpolate among four pixels only: halving first lets every pixel count.
  for (let { width: w, height: h } = bitmap; w >= 2 * width && h >= 2 * height; ) {
    [w, h] = [Math.ceil(w / 2), Math.ceil(h / 2)];
    source = draw(source, w, h);
  }
  return draw(source, width, height).getContext("2d").getImageData(0, 0, width, height);
}

function draw(source, width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  return canvas;
}

export function toImage({ width, height, data }) {
  const area = width * height;
  const pixels = Float32Array.from({ length: 3 * area }, (_, i) => data[4 * (i % area) + Math.floor(i / area)] / 255);
  return { width, height, pixels };
}

export function toImageData({ width, height, pixels }) {
  const area = width * height;
  const data = new Uint8ClampedArray(4 * area).fill(255);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) data[4 * i + c] = Math.round(255 * pixels[c * area + i]);
  }
  return new ImageData(data, width, height);
}
