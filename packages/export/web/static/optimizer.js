// Projected L-BFGS. Takes the same steps as core/optim/lbfgs.py, with the constants that Python wrote to page.json.

import { LBFGSHistory } from "./curvature.js";
import { clip, dot, rootMeanSquare, subtract } from "./vectors.js";

/**
 * Minimise `objective` over vectors whose values stay in [0, 1]; yield {evaluations, image, loss, gradient, ...} for
 * the start and for every accepted step.
 *
 * A value on a bound whose gradient points outwards belongs to the active set and stays there; L-BFGS runs among the
 * free values, with a backtracking search along the projected path (Bertsekas 1982, Projected Newton methods). Only a
 * lower loss is accepted. If no step along the direction lowers the loss, the curvature pairs are dropped; if no step
 * along the gradient does either, the iteration ends.
 *
 * @param objective Async function from a vector to {loss, gradient, ...}; both vectors are typed arrays of one type.
 * @param start Typed array; values outside [0, 1] are clipped.
 * @param options `evaluations` is the number of evaluations, `channels` is that of LBFGSHistory, `constants` are the
 *   settings `optimizer` of page.json.
 */
export async function* lbfgs(objective, start, { evaluations, channels, constants }) {
  const history = new LBFGSHistory(channels, constants);
  let image = clip(start);
  let current = await objective(image);
  if (!isFiniteEvaluation(current)) {
    throw new Error("The initial loss is not finite: choose other images, or less style strength.");
  }
  let used = 1;
  yield { evaluations: used, image, ...current };
  while (used < evaluations) {
    const free = freeMask(image, current.gradient);
    const ascent = history.inverseHessianProduct(current.gradient.map((value, i) => value * free[i]), free);
    const initialStep = constants.initial_step_rms / Math.max(rootMeanSquare(ascent), constants.min_rms);
    const found = await backtrack(objective, image, current, ascent, {
      stepSize: history.isEmpty ? initialStep : 1,
      attempts: Math.min(constants.max_backtracks, evaluations - used),
      constants,
    });
    used += found.used;
    if (found.accepted) {
      history.add(found.step, subtract(found.next.gradient, current.gradient));
      [image, current] = [found.candidate, found.next];
      yield { evaluations: used, image, ...current };
    } else if (history.isEmpty) {
      return;
    } else {
      history.clear();
    }
  }
}

// Reduce the step size until the loss decreases sufficiently (Armijo), for at most `attempts` evaluations.
async function backtrack(objective, image, current, ascent, { stepSize, attempts, constants }) {
  for (let used = 1; used <= attempts; used++) {
    const candidate = clip(image.map((value, i) => value - stepSize * ascent[i]));
    const step = subtract(candidate, image);
    const slope = dot(current.gradient, step);
    const next = await objective(candidate);
    const bound = current.loss + constants.sufficient_decrease * slope;
    if (isFiniteEvaluation(next) && next.loss < current.loss && next.loss <= bound) {
      return { accepted: true, used, candidate, step, next };
    }
    stepSize *= quadraticInterpolationFactor(current.loss, next.loss, slope, constants);
  }
  return { accepted: false, used: attempts };
}

/** Return 1 at the free values, and 0 at values on a bound whose gradient points outwards. */
export function freeMask(image, gradient) {
  return Uint8Array.from(image, (value, i) => (value > 0 || gradient[i] < 0) && (value < 1 || gradient[i] > 0));
}

// The minimiser of the parabola through both losses and the slope, as a fraction of the step, within bounds.
function quadraticInterpolationFactor(loss, nextLoss, slope, constants) {
  const curvature = nextLoss - loss - slope;
  if (!Number.isFinite(curvature) || curvature <= 0) return constants.min_shrinkage;
  return Math.min(Math.max(-slope / (2 * curvature), constants.min_shrinkage), constants.max_shrinkage);
}

function isFiniteEvaluation({ loss, gradient }) {
  return Number.isFinite(loss) && Number.isFinite(rootMeanSquare(gradient));
}
