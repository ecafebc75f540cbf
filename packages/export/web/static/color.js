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

function colorStatistics({ width, height, pixels }) {
  const area = width * height;
  const planes = [0, 1, 2].map((c) => pixels.subarray(c * area, (c + 1) * area));
  const mean = planes.map((plane) => plane.reduce((sum, value) => sum + value, 0) / area);
  const covariance = planes.map((a, i) =>
    planes.map((b, j) => {
      let sum = 0;
      for (let k = 0; k < area; k++) sum += (a[k] - mean[i]) * (b[k] - mean[j]);
      return sum / (area - 1);
    }),
  );
  return { mean, covariance };
}
