// The objective (loss and gradient) in ONNX Runtime Web. Images are those of resize.js.

import { Margin } from "./padding.js";
import { styleWeights } from "./style_weights.js";
import { rootMeanSquare } from "./vectors.js";

const MAX_THREADS = 8;

/** An ONNX Runtime session of the exported objective, which also computes its own targets. */
export class ObjectiveSession {
  #ort;
  #session;

  constructor(ort, session, settings, backend) {
    this.#ort = ort;
    this.#session = session;
    this.settings = settings;
    /** Name of the backend and its number of threads, for display. */
    this.backend = backend;
  }

  /**
   * Open a session.
   *
   * @param settings The content of page.json.
   * @param model The content of the ONNX file (Uint8Array).
   * @param provider "wasm" or "webgpu".
   */
  static async open(settings, model, provider) {
    const folder = new URL("ort/", import.meta.url).href;
    const ort = await import(`${folder}ort.${provider}.min.mjs`);
    // Threads need SharedArrayBuffer, which browsers provide only to pages served with isolation headers.
    const threads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, MAX_THREADS) : 1;
    ort.env.logLevel = "fatal";
    ort.env.wasm.wasmPaths = folder;
    ort.env.wasm.numThreads = threads;
    const session = await ort.InferenceSession.create(model, { executionProviders: [provider], logSeverityLevel: 4 });
    const wasm = `WebAssembly, ${threads} ${threads === 1 ? "thread" : "threads"}`;
    return new ObjectiveSession(ort, session, settings, provider === "webgpu" ? "WebGPU" : wasm);
  }

  /**
   * Return the objective for a content and a style image: an async function from the pixels of an image of the content
   * image's size to {loss, gradient, content, style, tv}, where the last three are the weighted terms of the loss.
   *
   * @param options.padding Width in pixels of the margin with which the network reads all images.
   * @param options.contentWeightScale Factor of the content weights; `tvWeightScale` that of total variation.
   * @param options.strength Style strength in [0, 1], normalised by the gradients at `comparisonImage` (see
   *   core/multiscale/preparation.py); null for the weights as they are.
   */
  async objective(content, style, options = {}) {
    const { padding = 0, contentWeightScale = 1, tvWeightScale = 1, strength = null, comparisonImage = null } = options;
    const { targets, weights, grey, variance_floor: varianceFloor } = this.settings;
    const [margin, styleMargin] = [content, style].map((image) => new Margin(image, padding, grey));
    const styleTargets = await this.#computeTargets(targets.style, styleMargin.add(style));
    const inputs = { ...(await this.#computeTargets(targets.content, margin.add(content))), ...styleTargets };
    const ofStyle = styleWeights(weights.style, Object.values(styleTargets), varianceFloor);
    const weighted = (factors) => ({
      content_weights: this.#tensor(weights.content.map((weight) => weight * factors.content)),
      style_weights: this.#tensor(
        ofStyle.values.map((weight) => weight * factors.style),
        ofStyle.shape,
      ),
      tv_weight: this.#tensor([weights.tv * factors.tv]),
    });
    const run = (pixels, weightInputs) => {
      const { width, height, pixels: padded } = margin.add({ ...content, pixels });
      const image = this.#tensor(padded, [1, 3, height, width]);
      return this.#session.run({ image, ...inputs, ...weightInputs }, ["loss", "gradient", "content", "style", "tv"]);
    };
    const factors = { content: 1, style: 1, tv: 1 };
    if (strength !== null) {
      const gradientSize = async (only) =>
        rootMeanSquare((await run(comparisonImage.pixels, weighted(only))).gradient.data);
      const contentSize = await gradientSize({ content: 1, style: 0, tv: 0 });
      const styleSize = await gradientSize({ content: 0, style: 1, tv: 1 });
      const ratio = styleSize / contentSize;
      const balance = contentSize && styleSize ? Math.sqrt(this.settings.gradient_ratio_at_half / ratio) : 1;
      factors.content = 4 * (1 - strength) ** 2;
      factors.style = 4 * strength ** 2 * balance;
      factors.tv = strength ? Math.max(factors.content * balance, factors.style) : 0;
    }
    factors.content *= contentWeightScale;
    factors.tv *= tvWeightScale;
    const weightInputs = weighted(factors);
    return async (pixels) => {
      const outputs = await run(pixels, weightInputs);
      return {
        loss: outputs.loss.data[0],
        content: outputs.content.data[0],
        style: outputs.style.data[0],
        tv: outputs.tv.data[0],
        gradient: margin.addBackward(outputs.gradient.data, content),
      };
    };
  }

  async release() {
    await this.#session.release();
  }

  // Compute the targets of an image. `names` maps each input for a target to the output that computes it; the graph's
  // other inputs do not affect these outputs and are 0.
  async #computeTargets(names, { width, height, pixels }) {
    const zeros = this.#session.inputMetadata.map(({ name, shape }) => {
      const sides = shape.map((side) => sideLength(side, { width, height }));
      return [name, this.#tensor(new Float32Array(sides.reduce((a, b) => a * b, 1)), sides)];
    });
    const inputs = { ...Object.fromEntries(zeros), image: this.#tensor(pixels, [1, 3, height, width]) };
    const outputs = await this.#session.run(inputs, Object.values(names));
    return Object.fromEntries(Object.entries(names).map(([input, output]) => [input, outputs[output]]));
  }

  #tensor(values, shape = [values.length]) {
    return new this.#ort.Tensor("float32", new Float32Array(values), shape);
  }
}

// Evaluate a side of an input's shape, such as 512, "width" or "height // 8".
function sideLength(side, sizes) {
  if (typeof side === "number") return side;
  const [name, divisor] = side.split(" // ");
  return Math.floor(sizes[name] / Number(divisor ?? 1));
}
