// Progress and remaining time of a run. The cost of an evaluation is assumed proportional to its number of pixels.

export class ProgressEstimate {
  #evaluations = 0;
  #done = 0; // pixels times evaluations
  #doneAtScale = 0; // evaluations
  #total;
  #start = null;

  /** @param scales The scales that buildSchedule returns. */
  constructor(scales) {
    this.#total = scales.reduce((sum, scale) => sum + pixelCount(scale) * scale.evaluations, 0);
  }

  /** Count one evaluation; return {evaluations, share, secondsLeft}. `secondsLeft` is null before the second one. */
  count(scale) {
    this.#evaluations++;
    this.#doneAtScale++;
    this.#done += pixelCount(scale);
    this.#start ??= { time: performance.now(), done: this.#done }; // the first evaluation includes the warm-up
    const measured = this.#done - this.#start.done;
    const milliseconds = performance.now() - this.#start.time;
    const secondsLeft = measured > 0 ? ((milliseconds / measured) * (this.#total - this.#done)) / 1000 : null;
    return { evaluations: this.#evaluations, share: this.#done / this.#total, secondsLeft };
  }

  /** Remove the evaluations from the total that the scale did not use because it converged early. */
  finish(scale) {
    this.#total -= (scale.evaluations - this.#doneAtScale) * pixelCount(scale);
    this.#doneAtScale = 0;
  }
}

function pixelCount({ size }) {
  return size.width * size.height;
}
