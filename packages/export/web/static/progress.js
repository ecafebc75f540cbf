// Progress and remaining time of a run. The cost of an evaluation is assumed proportional to its number of pixels.

export class ProgressEstimate {
  #evaluations = 0;
  #done = 0; // pixels times evaluations
  #leftAtScale = 0; // evaluations
  #scales;
  #total;
  #start = null;

  /** @param scales The scales that buildSchedule returns. */
  constructor(scales) {
    this.#scales = scales;
    this.#leftAtScale = scales[0].evaluations;
    this.#total = scales.reduce((sum, scale) => sum + pixelCount(scale) * scale.evaluations, 0);
  }

  /** Count one evaluation; return {evaluations, share, secondsLeft}. `secondsLeft` is null before the second one. */
  count(scale) {
    this.#evaluations++;
    this.#leftAtScale--;
    this.#done += pixelCount(scale);
    this.#start ??= { time: performance.now(), done: this.#done }; // the first evaluation includes the warm-up
    const measured = this.#done - this.#start.done;
    const milliseconds = performance.now() - this.#start.time;
    const secondsLeft = measured > 0 ? ((milliseconds / measured) * (this.#total - this.#done)) / 1000 : null;
    return { evaluations: this.#evaluations, share: this.#done / this.#total, secondsLeft };
  }

  /** Give the evaluations that the scale did not use, because it converged early, to the next one. */
  finish(scale) {
    const next = this.#scales[this.#scales.indexOf(scale) + 1];
    this.#total += this.#leftAtScale * ((next ? pixelCount(next) : 0) - pixelCount(scale));
    this.#leftAtScale += next?.evaluations ?? 0;
  }
}

function pixelCount({ size }) {
  return size.width * size.height;
}
