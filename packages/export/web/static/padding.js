// Continue images beyond their edges by reflection. Computes the same as core/multiscale/padding.py.

/** Return the image with its reflections in a margin around it, which must be smaller than its sides. */
export function reflect(image, margin) {
  const source = reflectedPixels(image, margin);
  const pixels = Float32Array.from(source, (position) => image.pixels[position]);
  return { width: image.width + 2 * margin, height: image.height + 2 * margin, pixels };
}

/** Return the gradient with respect to an image of this `size`, given that with respect to `reflect(image, margin)`. */
export function reflectBackward(gradient, size, margin) {
  const result = new Float32Array(3 * size.height * size.width);
  reflectedPixels(size, margin).forEach((position, i) => (result[position] += gradient[i]));
  return result;
}

// For each value of a reflected image: the position of the value in the image that it repeats.
function reflectedPixels({ width, height }, margin) {
  const [columns, rows] = [reflectedIndices(width, margin), reflectedIndices(height, margin)];
  const positions = [0, 1, 2].flatMap((c) => rows.flatMap((y) => columns.map((x) => (c * height + y) * width + x)));
  return Int32Array.from(positions);
}

function reflectedIndices(length, margin) {
  return Array.from({ length: length + 2 * margin }, (_, i) => {
    const index = Math.abs(i - margin);
    return index < length ? index : 2 * (length - 1) - index;
  });
}
