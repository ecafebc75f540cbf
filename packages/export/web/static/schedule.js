// The coarse-to-fine schedule: image sizes and evaluations of each scale. Computes the same as
// core/multiscale/schedule.py with the default --scales and --style-scale.

/**
 * Return the scales, coarsest first: {size, styleSize, evaluations, contentWeightScale, tvWeightScale, padding}.
 *
 * @param content Size {width, height} of the content image at the finest scale; `style` likewise.
 * @param evaluations Evaluations of the whole run; each scale receives an equal share, the finest also the remainder.
 * @param constants The settings `schedule` of page.json.
 */
export function buildSchedule(content, style, evaluations, constants) {
  const factors = [1];
  while (factors.length < evaluations) {
    const factor = constants.scale_factor ** factors.length;
    const [size, styleSize] = [shrink(content, factor), shrink(style, factor)];
    const shortSide = Math.min(size.width, size.height, styleSize.width, styleSize.height);
    const longSide = Math.max(size.width, size.height);
    if (shortSide < constants.min_side || longSide < constants.min_scale_size) break;
    factors.push(factor);
  }
  const relativeSize = constants.reference_size / Math.max(content.width, content.height);
  const share = Math.floor(evaluations / factors.length);
  return factors.toReversed().map((factor) => {
    const [size, styleSize] = [shrink(content, factor), shrink(style, factor)];
    return {
      size,
      styleSize,
      evaluations: factor === 1 ? evaluations - share * (factors.length - 1) : share,
      contentWeightScale: (factor * relativeSize) ** constants.content_scaling,
      tvWeightScale: (factor * relativeSize) ** constants.tv_scaling,
      padding: Math.min(constants.padding, size.width - 1, size.height - 1, styleSize.width - 1, styleSize.height - 1),
    };
  });
}

function shrink({ width, height }, factor) {
  return { width: roundHalfToEven(width / factor), height: roundHalfToEven(height / factor) };
}

/** Round as Python's round(); Math.round rounds halves up. */
export function roundHalfToEven(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
