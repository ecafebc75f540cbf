// The weights of the style layers. Computes the same as core/backends/target_parts.py.

/**
 * Return the weights of the style layers for the objective, {values, shape}. A target of the loss "gram" has one weight,
 * one of the loss "moments" the weight of its covariances and that of its means: the weight of the layer, divided by the
 * mean square of the covariances and by the mean variance.
 *
 * @param weights The weight of each layer.
 * @param targets The target of each layer, {data, dims}: Gram matrix (1, C, C), or moments (1, C, C + 1).
 * @param varianceFloor {relative, absolute}, the constants of core/objective/variance_floor.py.
 */
export function styleWeights(weights, targets, varianceFloor) {
  const ofLayers = targets.map(({ data, dims: [, channels, columns] }, layer) =>
    columns === channels
      ? [weights[layer]]
      : momentSizes(data, channels, varianceFloor).map((size) => weights[layer] / size),
  );
  const count = ofLayers[0].length;
  return { values: ofLayers.flat(), shape: count === 1 ? [weights.length] : [weights.length, count] };
}

// Return the mean square of the covariances, and the mean variance, of moments (C, C + 1) with the means last.
function momentSizes(moments, channels, { relative, absolute }) {
  let [squares, variance, squaresOfMeans] = [0, 0, 0];
  for (let row = 0; row < channels; row++) {
    const start = row * (channels + 1);
    for (let column = 0; column < channels; column++) squares += moments[start + column] ** 2;
    variance += moments[start + row];
    squaresOfMeans += moments[start + channels] ** 2;
  }
  variance /= channels;
  const floor = relative * (variance + squaresOfMeans / channels) + absolute;
  return [Math.max(squares / channels ** 2, floor ** 2), Math.max(variance, floor)];
}
