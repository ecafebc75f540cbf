// The initial image: the content image with the colours and contrasts of the style image. Computes the same as
// core/image/color.py. Images are those of resize.js; `constants` are the settings `color_matching` of page.json.

import { product, symmetricPower } from "./matrices.js";
import { clipImage, combine, halve, resample } from "./resize.js";

/**
 * Match the colours of each band of the content image's Laplacian pyramid (Burt and Adelson 1983) to those of the same
 * band of the style image.
 */
export function matchColorBands(content, style, constants) {
  const details = [];
  while (Math.min(content.width, content.height, style.width, style.height) >= 2 * constants.smallest_band) {
    const [smallContent, smallStyle] = [halve(content), halve(style)];
    const contentDetail = combine(content, resample(smallContent, content), (a, b) => a - b);
    const styleDetail = combine(style, resample(smallStyle, style), (a, b) => a - b);
    details.push(matchColors(contentDetail, styleDetail, constants));
    [content, style] = [smallContent, smallStyle];
  }
  const matched = details.reduceRight(
    (coarse, detail) => combine(resample(coarse, detail), detail, (a, b) => a + b),
    matchColors(content, style, constants),
  );
  return clipImage(matched);
}

/**
 * Map the colours of `image` linearly to the mean and covariance of the colours of `reference`.
 *
 * Uses the Monge-Kantorovich map (Pitié and Kokaram 2007), which moves colours least.
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
  return { ...image, pixels };
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
