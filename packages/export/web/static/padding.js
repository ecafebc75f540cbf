// Continue images beyond their edges, for the network. Computes the same as core/multiscale/padding.py.

/** The margin around images of one size: a reflection that fades into a grey, which the network reads as zeros. */
export class Margin {
  #positions;
  #shares;
  #grey;

  /**
   * @param size Size {width, height} of the images.
   * @param width Width of the margin in pixels, smaller than the sides of the images; 0 for none.
   * @param grey The settings `grey` of page.json: red, green and blue.
   */
  constructor(size, width, grey) {
    const [columns, rows] = [fadingReflection(size.width, width), fadingReflection(size.height, width)];
    const count = columns.length * rows.length;
    this.size = { width: columns.length, height: rows.length };
    this.#grey = grey;
    this.#shares = new Float32Array(count);
    this.#positions = new Int32Array(count); // for each pixel with the margin: the pixel that it repeats
    rows.forEach((row, y) =>
      columns.forEach((column, x) => {
        this.#shares[y * columns.length + x] = row.share * column.share;
        this.#positions[y * columns.length + x] = row.index * size.width + column.index;
      }),
    );
  }

  /** Return the image with its margin. */
  add({ width, height, pixels }) {
    const count = this.#shares.length;
    const result = new Float32Array(3 * count);
    for (let c = 0; c < 3; c++) {
      for (let i = 0; i < count; i++) {
        const share = this.#shares[i];
        result[c * count + i] = share * pixels[c * width * height + this.#positions[i]] + (1 - share) * this.#grey[c];
      }
    }
    return { ...this.size, pixels: result };
  }

  /** Return the gradient with respect to an image of `size`, given that with respect to the result of `add`. */
  addBackward(gradient, { width, height }) {
    const count = this.#shares.length;
    const result = new Float32Array(3 * width * height);
    for (let c = 0; c < 3; c++) {
      for (let i = 0; i < count; i++) {
        result[c * width * height + this.#positions[i]] += this.#shares[i] * gradient[c * count + i];
      }
    }
    return result;
  }
}

// For each pixel of a row with its margins: the index of the pixel that it repeats, and the share of that pixel.
function fadingReflection(length, margin) {
  return Array.from({ length: length + 2 * margin }, (_, i) => {
    const mirrored = Math.abs(i - margin);
    const index = mirrored < length ? mirrored : 2 * (length - 1) - mirrored;
    const depth = Math.min(i, length + 2 * margin - 1 - i); // distance from the outer edge
    return { index, share: depth < margin ? 0.5 - 0.5 * Math.cos((Math.PI * (depth + 0.5)) / margin) : 1 };
  });
}
