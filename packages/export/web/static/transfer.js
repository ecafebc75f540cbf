// The method: style transfer by optimisation of the pixels (Gatys, Ecker and Bethge 2015), coarse to fine. Computes the
// same as core/style_transfer.py with the default options. Images are those of resize.js.

import { halveContrast, matchColors } from "./color.js";
import { lbfgs } from "./optimizer.js";
import { ProgressEstimate } from "./progress.js";
import { resize } from "./resize.js";
import { buildSchedule } from "./schedule.js";

const STOPPED = Symbol("stopped");

/**
 * Run style transfer; return {image, losses} with the output image, and no `losses` if the run was stopped.
 *
 * @param session An ObjectiveSession.
 * @param request {content, style, strength, evaluations}: images at the size of the output, the style strength in
 *   [0, 1], and the number of evaluations.
 * @param isStopped Function that returns whether the run is to stop before the next evaluation.
 * @param report Callback, called with {evaluations, total, share, secondsLeft} after each evaluation and with
 *   {image, losses} after each accepted step.
 */
export async function transfer(session, { content, style, strength, evaluations }, isStopped, report) {
  const { schedule, optimizer, color_matching: colorMatching } = session.settings;
  const scales = buildSchedule(content, style, evaluations, schedule);
  const progress = new ProgressEstimate(scales);
  let image = null;
  let objective = null;
  let [planned, used] = [0, 0]; // evaluations; if a scale converges early, the next one gets the rest
  for (const scale of scales) {
    planned += scale.evaluations;
    const [scaledContent, scaledStyle] = [resize(content, scale.size), resize(style, scale.styleSize)];
    const matched = matchColors(scaledContent, scaledStyle, colorMatching);
    const initial = mixImages(scaledContent, matched, Math.min(1, 2 * strength));
    image = image ? matchColors(resize(image, scale.size), initial, colorMatching) : initial;
    if (isStopped()) continue; // the remaining scales only enlarge the image
    objective = await session.objective(scaledContent, scaledStyle, {
      padding: scale.padding,
      contentWeightScale: scale.contentWeightScale,
      tvWeightScale: scale.tvWeightScale,
      strength,
      comparisonImage: halveContrast(matched),
    });
    const observed = observe(objective, isStopped, () => {
      used++;
      report({ total: evaluations, ...progress.count(scale) });
    });
    image = await minimize(observed, image, { evaluations: planned - used, constants: optimizer }, report);
    progress.finish(scale);
  }
  return finalResult(image, isStopped() ? null : objective);
}

// Minimise the objective from `image`; return the last accepted image, also when the run is stopped.
async function minimize(objective, image, options, report) {
  try {
    for await (const step of lbfgs(objective, image.pixels, { channels: 3, ...options })) {
      image = { ...image, pixels: step.image };
      report({ image, losses: lossesOf(step) });
    }
  } catch (error) {
    if (error !== STOPPED) throw error;
  }
  return image;
}

// Wrap an objective so that it throws STOPPED when requested and calls `onEvaluation` after each evaluation.
function observe(objective, isStopped, onEvaluation) {
  return async (pixels) => {
    await receiveMessages();
    if (isStopped()) throw STOPPED;
    const evaluation = await objective(pixels);
    onEvaluation();
    return evaluation;
  };
}

// Return to the event loop, which then delivers messages that arrived meanwhile, such as the request to stop.
function receiveMessages() {
  return new Promise((resolve) => setTimeout(resolve));
}

// Quantise the image to 8 bits per channel, as its file will be, and compute the losses of the quantised image.
async function finalResult(image, objective) {
  const quantized = { ...image, pixels: image.pixels.map((value) => Math.round(value * 255) / 255) };
  return objective ? { image: quantized, losses: lossesOf(await objective(quantized.pixels)) } : { image: quantized };
}

// Return the image (1 - share) * first + share * second.
function mixImages(first, second, share) {
  return { ...first, pixels: first.pixels.map((value, i) => (1 - share) * value + share * second.pixels[i]) };
}

function lossesOf({ loss, content, style, tv }) {
  return { loss, content, style, tv };
}
