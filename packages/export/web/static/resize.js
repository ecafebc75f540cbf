// Image sizes: Lanczos resampling with antialiasing, computed like Pillow's.
//
// An image is {width, height, pixels}: `pixels` is a Float32Array of the red plane, then green, then blue, row by row.
// Values are in [0, 1] unless stated otherwise.

import { clip } from "./vectors.js";

const LANCZOS_RADIUS = 3;

/** Resize an image and clip its values to [0, 1], because the Lanczos kernel overshoots at edges. */
export function resize(image, size) {
  return clipImage(resample(image, size));
}

/** Resize an image with values of any range to `size` ({width, height}), without clipping. */
export function resample(image, { width, height }) {
  const horizontal = resampleRows(image, width);
  return transpose(resampleRows(transpose(horizontal), height));
}

export function clipImage(image) {
  return { ...image, pixels: clip(image.pixels) };
}

function resampleRows({ width, height, pixels }, newWidth) {
  if (newWidth === width) return { width, height, pixels };
  const result = new Float32Array(3 * height * newWidth);
  const windows = lanczosWindows(width, newWidth);
  for (let row = 0; row < 3 * height; row++) {
    for (let x = 0; x < newWidth; x++) {
      const { first, weights } = windows[x];
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * pixels[row * width + first + k];
      result[row * newWidth + x] = sum;
    }
  }
  return { width: newWidth, height, pixels: result };
}

// For each new pixel: the first old pixel of its window, and the weights from there on.
function lanczosWindows(length, newLength) {
  const scale = length / newLength;
  const stretch = Math.max(scale, 1);
  const radius = LANCZOS_RADIUS * stretch;
  return Array.from({ length: newLength }, (_, x) => {
    const center = (x + 0.5) * scale;
    const first = Math.max(Math.trunc(center - radius + 0.5), 0);
    const end = Math.min(Math.trunc(center + radius + 0.5), length);
    const raw = Array.from({ length: end - first }, (_, k) => lanczos((first + k + 0.5 - center) / stretch));
    const total = raw.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: raw.map((weight) => weight / total) };
  });
}

function lanczos(x) {
  if (x === 0) return 1;
  if (Math.abs(x) >= LANCZOS_RADIUS) return 0;
  const angle = Math.PI * x;
  return (LANCZOS_RADIUS * Math.sin(angle) * Math.sin(angle / LANCZOS_RADIUS)) / (angle * angle);
}

function transpose({ width, height, pixels }) {
  const result = new Float32Array(pixels.length);
  for (let c = 0, to = 0; c < 3; c++) {
    for (let x = 0; x < width; x++) {
      for (let y = 0; y < height; y++) result[to++] = pixels[(c * height + y) * width + x];
    }
  }
  return { width: height, height: width, pixels: result };
}
