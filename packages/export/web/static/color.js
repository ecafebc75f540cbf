// Match the colours of images. Computes the same as core/image/color.py. Images are those of resize.js.

import { product, symmetricPower } from "./matrices.js";
import { clipImage } from "./resize.js";

/**
 * Map the colours of `image` linearly to the mean and covariance of the colours of `reference`, and clip them.
 *
 * Uses the Monge-Kantorovich map (Pitié and Kokaram 2007), which moves colours least.
 *
 * @param constants The settings `color_matching` of page.json.
 */
export function matchColors(image, reference, { min_eigenvalue: minEigenvalue }) {
  const source = colorStatistics(image);
  const target = colorStatistics(reference);
  const root = symmetricPower(source.covariance, 0.5, minEigenvalue);
  const inverseRoot = symmetricPower(source.covariance, -0.5, minEigenvalue);
  const middle = symmetricPower(product(product(root, target.covariance), root), 0.5, minEigenvalue);
  const transport = product(product(inverseRoot, middle), inverseRoot);
  const area = image.width * image.height;
  const pixels = new Float32Array(3 * area);
  for (let i = 0; i < area; i++) {
    const color = source.mean.map((mean, c) => image.pixels[c * area + i] - mean);
    transport.forEach((row, c) => {
      pixels[c * area + i] = row[0] * color[0] + row[1] * color[1] + row[2] * color[2] + target.mean[c];
    });
  }
  return clipImage({ ...image, pixels });
}

/** Move every colour half way towards the mean colour. */
export function halveContrast(image) {
  const result = { ...image, pixels: image.pixels.slice() };
  for (const plane of planesOf(result)) {
    const mean = meanOf(plane);
    plane.forEach((value, i) => (plane[i] = mean + (value - mean) / 2));
  }
  return result;
}

function colorStatistics(image) {
  const planes = planesOf(image);
  const area = image.width * image.height;
  const mean = planes.map(meanOf);
  const covariance = planes.map((a, i) =>
    planes.map((b, j) => {
      let sum = 0;
      for (let k = 0; k < area; k++) sum += (a[k] - mean[i]) * (b[k] - mean[j]);
      return sum / (area - 1);
    }),
  );
  return { mean, covariance };
}

function planesOf({ width, height, pixels }) {
  const area = width * height;
  return [0, 1, 2].map((c) => pixels.subarray(c * area, (c + 1) * area));
}

function meanOf(plane) {
  return plane.reduce((sum, value) => sum + value, 0) / plane.length;
}
