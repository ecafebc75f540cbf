// The inverse Hessian approximation of L-BFGS. Computes the same products as core/optim/curvature.py.

import { addMasked, dot, maskedDot } from "./vectors.js";

/** The last m curvature pairs (s, y), oldest first, and the colour-aware initial inverse Hessian gamma * H0. */
export class LBFGSHistory {
  /**
   * @param channels 3 for RGB images stored as three consecutive planes, 1 for anything else: H0 is then the identity.
   * @param constants The settings `optimizer` of page.json.
   */
  constructor(channels, constants) {
    this.size = constants.history;
    this.minCurvature = constants.min_curvature;
    this.minYtH0y = constants.min_yth0y;
    this.channels = channels;
    this.luminanceDamping = channels === 3 ? (1 - constants.luminance_scale) / 3 : 0;
    this.pairs = [];
  }

  get isEmpty() {
    return this.pairs.length === 0;
  }

  clear() {
    this.pairs = [];
  }

  /** Store the pair, and drop the oldest if there are more than m, unless the curvature sᵀy is too small. */
  add(s, y) {
    if (dot(s, y) <= this.minCurvature * dot(y, y)) return;
    this.pairs.push({ s, y });
    if (this.pairs.length > this.size) this.pairs.shift();
  }

  /**
   * Return the inverse Hessian restricted to the free set, times `gradient`.
   *
   * The two-loop recursion (Nocedal and Wright, Numerical Optimization, algorithm 7.4) with every inner product taken
   * over the free set. `gradient` must be 0 in the active set, and so is the result. `free` is a mask of 0 and 1.
   */
  inverseHessianProduct(gradient, free) {
    if (this.isEmpty) return gradient;
    const result = gradient.slice();
    const terms = this.pairs.map(({ s, y }) => {
      // The curvature of a pair can be negative in the free set alone; rho = 0 then leaves the pair out.
      const curvature = maskedDot(s, y, free);
      return { s, y, curvature, rho: curvature > 0 ? 1 / curvature : 0, alpha: 0 };
    });
    for (const term of terms.toReversed()) {
      term.alpha = term.rho * dot(term.s, result);
      addMasked(result, -term.alpha, term.y, free);
    }
    const { curvature, y } = terms.at(-1);
    const gamma = Math.abs(curvature) / Math.max(this.#yH0y(y, free), this.minYtH0y);
    this.#applyH0(result, gamma, free);
    for (const { s, y, rho, alpha } of terms) {
      addMasked(result, alpha - rho * dot(y, result), s, free);
    }
    return result;
  }

  // yᵀ H0 y over the free values.
  #yH0y(y, free) {
    const plane = y.length / this.channels;
    let result = maskedDot(y, y, free);
    if (!this.luminanceDamping) return result;
    for (let i = 0; i < plane; i++) {
      const sum = y[i] * free[i] + y[i + plane] * free[i + plane] + y[i + 2 * plane] * free[i + 2 * plane];
      result -= this.luminanceDamping * sum ** 2;
    }
    return result;
  }

  // Replace `values`, which are 0 in the active set, by gamma * H0 * values, restricted to the free set. H0 multiplies
  // the luminance direction (1, 1, 1) of each pixel by `luminance_scale`, and the directions perpendicular to it by 1.
  #applyH0(values, gamma, free) {
    const plane = values.length / this.channels;
    for (let i = 0; i < plane; i++) {
      let sum = 0;
      for (let j = i; j < values.length; j += plane) sum += values[j];
      const damping = this.luminanceDamping * sum;
      for (let j = i; j < values.length; j += plane) values[j] = gamma * (values[j] - damping) * free[j];
    }
  }
}
