// Paints one picture in the style of another, entirely in this browser, by the method of Gatys, Ecker and Bethge.
//
// The file is the script of the page and, loaded once more as a worker, what computes. A picture is an object
// {width, height, pixels}: `pixels` is a Float32Array of all red values, then green, then blue, row by row, in
// [0, 1]. The numbers both programs share, this one and the Python one, come from page.json.

// ---------------------------------------------------------------------------------------------------------------
// The optimiser: projected L-BFGS, the same as core/optimise.py. Vectors are Float32Array, sums are float64.

export async function* lbfgs(objective, start, { evaluations, history, ...constants }) {
  const memory = new CurvatureMemory(history, constants.minCurvature);
  let image = start.map((value) => Math.min(Math.max(value, 0), 1));
  let here = await objective(image);
  if (!isFiniteAt(here)) throw new Error("The loss is not finite at the start: choose less style.");
  let used = 1;
  yield { evaluations: used, image, ...here };
  while (used < evaluations) {
    const free = freeValues(image, here.gradient);
    const ascent = memory.multiply(here.gradient, free);
    let length = memory.isEmpty ? constants.firstMove / Math.max(rootMeanSquare(ascent), 1e-30) : 1;
    let there = null;
    let candidate, move;
    for (let tries = Math.min(constants.maxBacktracks, evaluations - used); tries > 0 && !there; tries--) {
      candidate = image.map((value, i) => Math.min(Math.max(value - length * ascent[i], 0), 1));
      move = candidate.map((value, i) => value - image[i]);
      const slope = dot(here.gradient, move);
      const tried = await objective(candidate);
      used++;
      const enough = here.loss + constants.sufficientDecrease * slope;
      if (isFiniteAt(tried) && tried.loss < here.loss && tried.loss <= enough) there = tried;
      else length *= shrinkage(here.loss, tried.loss, slope);
    }
    if (!there) {
      if (memory.isEmpty) return;
      memory.clear();
      continue;
    }
    memory.add(move, there.gradient.map((value, i) => value - here.gradient[i]));
    [image, here] = [candidate, there];
    yield { evaluations: used, image, ...here };
  }
}

// The last pairs of moves and gradient changes, newest last, as an inverse Hessian.
class CurvatureMemory {
  constructor(size, minCurvature) {
    this.pairs = [];
    this.size = size;
    this.minCurvature = minCurvature;
  }

  get isEmpty() {
    return this.pairs.length === 0;
  }

  clear() {
    this.pairs = [];
  }

  add(move, change) {
    if (!(dot(move, change) > this.minCurvature * dot(change, change))) return;
    this.pairs.push({ move, change });
    if (this.pairs.length > this.size) this.pairs.shift();
  }

  // The inverse Hessian restricted to the free values, times the gradient. What is held stays 0 throughout, so
  // only sums over two stored vectors need the mask.
  multiply(gradient, free) {
    const result = gradient.map((value, i) => value * free[i]);
    const seen = [];
    let scale = 1;
    for (const { move, change } of this.pairs.toReversed()) {
      const curvature = dotOver(free, move, change);
      const weight = curvature > 0 ? 1 / curvature : 0;
      const factor = weight * dot(move, result);
      addOver(free, result, -factor, change);
      if (seen.length === 0) scale = Math.abs(curvature / dotOver(free, change, change));
      seen.push({ move, change, weight, factor });
    }
    for (let i = 0; i < result.length; i++) result[i] *= scale;
    for (const { move, change, weight, factor } of seen.toReversed()) {
      addOver(free, result, factor - weight * dot(change, result), move);
    }
    return result;
  }
}

// 1 where a value may move, 0 where it sits on a bound and the gradient pushes outwards.
function freeValues(image, gradient) {
  return Uint8Array.from(image, (value, i) => (value > 0 || gradient[i] < 0) && (value < 1 || gradient[i] > 0));
}

// Where the parabola through both losses and the slope has its minimum, as a part of the move.
function shrinkage(lossHere, lossThere, slope) {
  const bend = lossThere - lossHere - slope;
  if (!Number.isFinite(bend) || bend <= 0) return 0.1;
  return Math.min(Math.max(-slope / (2 * bend), 0.1), 0.5);
}

function isFiniteAt({ loss, gradient }) {
  return Number.isFinite(loss) && Number.isFinite(rootMeanSquare(gradient));
}

function rootMeanSquare(a) {
  return Math.sqrt(dot(a, a) / a.length);
}

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function dotOver(free, a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i] * free[i];
  return sum;
}

function addOver(free, target, factor, a) {
  for (let i = 0; i < a.length; i++) target[i] += factor * a[i] * free[i];
}

// ---------------------------------------------------------------------------------------------------------------
// The start: the photograph in the colours and contrasts of the style, the same as core/matching.py.

const COARSEST_SIDE = 16;

export function matchBands(content, style) {
  const details = [];
  while (Math.min(content.width, content.height, style.width, style.height) >= 2 * COARSEST_SIDE) {
    const [smallContent, smallStyle] = [halve(content), halve(style)];
    details.push(
      matchColours(
        combine(content, resample(smallContent, content), (a, b) => a - b),
        combine(style, resample(smallStyle, style), (a, b) => a - b),
      ),
    );
    [content, style] = [smallContent, smallStyle];
  }
  const matched = details.reduceRight(
    (coarse, detail) => combine(resample(coarse, detail), detail, (a, b) => a + b),
    matchColours(content, style),
  );
  return clip(matched);
}

// The linear map of Monge and Kantorovich between two distributions of colours.
export function matchColours(picture, reference) {
  const own = colourStatistics(picture);
  const other = colourStatistics(reference);
  const root = power(own.covariance, 0.5);
  const inverse = power(own.covariance, -0.5);
  const middle = power(product(product(root, other.covariance), root), 0.5);
  const transport = product(product(inverse, middle), inverse);
  const area = picture.width * picture.height;
  const pixels = new Float32Array(3 * area);
  for (let i = 0; i < area; i++) {
    const colour = own.mean.map((mean, c) => picture.pixels[c * area + i] - mean);
    transport.forEach((row, c) => {
      pixels[c * area + i] = row[0] * colour[0] + row[1] * colour[1] + row[2] * colour[2] + other.mean[c];
    });
  }
  return { ...picture, pixels };
}

function colourStatistics({ width, height, pixels }) {
  const area = width * height;
  const planes = [0, 1, 2].map((c) => pixels.subarray(c * area, (c + 1) * area));
  const mean = planes.map((plane) => plane.reduce((sum, value) => sum + value, 0) / area);
  const covariance = planes.map((a, i) =>
    planes.map((b, j) => {
      let sum = 0;
      for (let k = 0; k < area; k++) sum += (a[k] - mean[i]) * (b[k] - mean[j]);
      return sum / (area - 1);
    }),
  );
  return { mean, covariance };
}

// A power of a symmetric positive 3 x 3 matrix; tiny eigenvalues, as of a grey picture, count as 1e-8.
function power(matrix, exponent) {
  const { values, vectors } = eigen(matrix);
  const powers = values.map((value) => Math.max(value, 1e-8) ** exponent);
  return vectors.map((row) => vectors.map((other) => powers.reduce((sum, p, k) => sum + row[k] * p * other[k], 0)));
}

// Eigenvalues, and eigenvectors as columns, of a symmetric 3 x 3 matrix: Jacobi's rotations.
function eigen(matrix) {
  let a = matrix.map((row) => [...row]);
  let vectors = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  for (let sweep = 0; sweep < 30; sweep++) {
    for (const [p, q] of [[0, 1], [0, 2], [1, 2]]) {
      if (a[p][q] === 0) continue;
      const angle = Math.atan2(2 * a[p][q], a[q][q] - a[p][p]) / 2;
      const rotation = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
      rotation[p][p] = rotation[q][q] = Math.cos(angle);
      rotation[p][q] = Math.sin(angle);
      rotation[q][p] = -Math.sin(angle);
      a = product(product(transpose(rotation), a), rotation);
      vectors = product(vectors, rotation);
    }
  }
  return { values: a.map((row, i) => row[i]), vectors };
}

function product(a, b) {
  return a.map((row) => b[0].map((_, j) => row.reduce((sum, value, k) => sum + value * b[k][j], 0)));
}

function transpose(a) {
  return a[0].map((_, j) => a.map((row) => row[j]));
}

// ---------------------------------------------------------------------------------------------------------------
// Sizes: Lanczos with antialiasing, as Pillow resizes.

export function resample(picture, { width, height }) {
  const across = resampleRows(picture, width);
  return flip(resampleRows(flip(across), height));
}

function resampleRows({ width, height, pixels }, newWidth) {
  if (newWidth === width) return { width, height, pixels };
  const result = new Float32Array(3 * height * newWidth);
  const windows = lanczosWindows(width, newWidth);
  for (let row = 0; row < 3 * height; row++) {
    for (let x = 0; x < newWidth; x++) {
      const { first, weights } = windows[x];
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * pixels[row * width + first + k];
      result[row * newWidth + x] = sum;
    }
  }
  return { width: newWidth, height, pixels: result };
}

// For each new pixel the first old one that counts, and the weights from there on.
function lanczosWindows(length, newLength) {
  const scale = length / newLength;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: newLength }, (_, x) => {
    const centre = (x + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - 3 * stretch + 0.5), 0);
    const end = Math.min(Math.trunc(centre + 3 * stretch + 0.5), length);
    const raw = Array.from({ length: end - first }, (_, k) => lanczos((first + k + 0.5 - centre) / stretch));
    const total = raw.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: raw.map((weight) => weight / total) };
  });
}

function lanczos(x) {
  if (x === 0) return 1;
  if (Math.abs(x) >= 3) return 0;
  const angle = Math.PI * x;
  return (3 * Math.sin(angle) * Math.sin(angle / 3)) / (angle * angle);
}

// The picture mirrored at its diagonal.
function flip({ width, height, pixels }) {
  const result = new Float32Array(pixels.length);
  for (let c = 0, to = 0; c < 3; c++) {
    for (let x = 0; x < width; x++) {
      for (let y = 0; y < height; y++) result[to++] = pixels[(c * height + y) * width + x];
    }
  }
  return { width: height, height: width, pixels: result };
}

function halve(picture) {
  return resample(picture, { width: picture.width >> 1, height: picture.height >> 1 });
}

function combine(a, b, operation) {
  return { ...a, pixels: a.pixels.map((value, i) => operation(value, b.pixels[i])) };
}

function clip(picture) {
  return { ...picture, pixels: picture.pixels.map((value) => Math.min(Math.max(value, 0), 1)) };
}

function resize(picture, size) {
  return clip(resample(picture, size));
}

// ---------------------------------------------------------------------------------------------------------------
// The network: the objective of page.json in ONNX Runtime Web, on WebGPU if that computes the same, else on
// WebAssembly.

const LEAST_SIDE = 16; // VGG halves a picture four times
const PARITY_LIMIT = 1e-3;

class Network {
  // `wanted` is "wasm" or "webgpu", or null for the quickest that can be trusted.
  static async load(wanted, onLoading) {
    const description = await (await fetched("page.json")).json();
    const model = await download("objective.onnx", onLoading);
    const plain = await Network.open(description, model, "wasm");
    if (wanted === "wasm" || !(await hasGraphicsCard(wanted === "webgpu"))) return plain;
    try {
      const quick = await Network.open(description, model, "webgpu");
      quick.parity = await quick.distanceFrom(plain);
      if (quick.parity > PARITY_LIMIT) throw new Error(`WebGPU is off by ${quick.parity}`);
      await plain.session.release();
      return quick;
    } catch (error) {
      console.warn(`Running on WebAssembly: ${error.message}`); // drivers differ
      return plain;
    }
  }

  static async open(description, model, provider) {
    const folder = new URL("ort/", import.meta.url).href;
    const ort = await import(`${folder}ort.${provider}.min.mjs`);
    const threads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, 8) : 1;
    ort.env.logLevel = "fatal";
    ort.env.wasm.wasmPaths = folder;
    ort.env.wasm.numThreads = threads;
    const session = await ort.InferenceSession.create(model, { executionProviders: [provider], logSeverityLevel: 4 });
    const network = new Network();
    const backend = provider === "webgpu" ? "WebGPU" : `WebAssembly, ${threads} ${threads === 1 ? "thread" : "threads"}`;
    Object.assign(network, { ort, session, description, backend });
    return network;
  }

  // The objective for two pictures, as a function of a Float32Array of the size of the content's.
  async objective(content, style, { strength = 1, emphasis = 1 } = {}) {
    const targets = await this.#targets(content, style);
    const { weights } = this.description;
    const fixed = {
      ...targets,
      content_weights: this.#tensor(weights.content.map((weight) => weight * emphasis), [weights.content.length]),
      style_weights: this.#tensor(weights.style.map((weight) => weight * strength), [weights.style.length]),
      tv_weight: this.#tensor([0], [1]),
    };
    const shape = [1, 3, content.height, content.width];
    return async (pixels) => {
      const image = this.#tensor(pixels, shape);
      const outputs = await this.session.run({ image, ...fixed }, ["loss", "gradient", "content", "style"]);
      return {
        loss: outputs.loss.data[0],
        content: outputs.content.data[0],
        style: outputs.style.data[0],
        gradient: new Float32Array(outputs.gradient.data),
      };
    };
  }

  // What the graph would compare at these pictures is what it is to be compared with.
  async #targets(content, style) {
    const contents = this.description.objective.content_taps.map((tap) => `content/${tap}`);
    const grams = this.description.objective.style_taps.map((tap) => `gram/${tap}`);
    return { ...(await this.#own(contents, content)), ...(await this.#own(grams, style)) };
  }

  async #own(names, { width, height, pixels }) {
    const zeros = this.session.inputMetadata.map(({ name, shape }) => {
      const sides = shape.map((side) => sideOf(side, { width, height }));
      return [name, this.#tensor(new Float32Array(sides.reduce((a, b) => a * b, 1)), sides)];
    });
    const inputs = { ...Object.fromEntries(zeros), image: this.#tensor(pixels, [1, 3, height, width]) };
    const outputs = await this.session.run(inputs, names.map((name) => `own/${name}`));
    return Object.fromEntries(names.map((name) => [name, outputs[`own/${name}`]]));
  }

  #tensor(values, shape) {
    return new this.ort.Tensor("float32", new Float32Array(values), shape);
  }

  // How far loss and gradient at a fixed picture are from those of another network, relatively.
  async distanceFrom(other) {
    const [content, style, image] = [1, 2, 3].map((seed) => ripples(48, 32, seed));
    const [ours, theirs] = await Promise.all(
      [this, other].map(async (network) => (await network.objective(content, style))(image.pixels)),
    );
    const difference = ours.gradient.map((value, i) => value - theirs.gradient[i]);
    const gradient = rootMeanSquare(difference) / rootMeanSquare(theirs.gradient);
    const distance = Math.max(gradient, Math.abs(ours.loss / theirs.loss - 1));
    return Number.isFinite(distance) ? distance : Infinity;
  }
}

// An adapter in software is slower than WebAssembly.
async function hasGraphicsCard(orSoftware) {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  return Boolean(adapter) && (orSoftware || !adapter.info?.isFallbackAdapter);
}

// A side of an input, such as 512 or "height // 8".
function sideOf(side, sides) {
  if (typeof side === "number") return side;
  const [of, stride] = side.split(" // ");
  return Math.floor(sides[of] / Number(stride ?? 1));
}

function ripples(width, height, seed) {
  const area = width * height;
  const value = (_, i) => 0.5 + 0.45 * Math.sin(seed * (0.11 * (i % width) + 0.23 * Math.floor(i / width)) + i / 9);
  return { width, height, pixels: Float32Array.from({ length: 3 * area }, value) };
}

async function fetched(name) {
  const response = await fetch(new URL(name, import.meta.url)).catch(() => null);
  if (!response?.ok) throw new Error(`${name} cannot be loaded: write the page again, or reload it.`);
  return response;
}

async function download(name, onLoading) {
  const response = await fetched(name);
  const total = Number(response.headers.get("Content-Length"));
  const parts = [];
  let done = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { value, done: isLast } = await reader.read();
    if (isLast) break;
    parts.push(value);
    done += value.length;
    onLoading({ share: total ? Math.min(done / total, 1) : 0 });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

// ---------------------------------------------------------------------------------------------------------------
// Painting, coarse to fine: the same as core/pyramid.py and core/stylize.py.

const STOPPED = Symbol("stopped");

function planScales(content, style, evaluations, { scaleFactor, leastScale }) {
  const scales = [];
  for (let by = 1; ; by *= scaleFactor) {
    const [size, styleSize] = [content, style].map(({ width, height }) => ({
      width: Math.round(width / by),
      height: Math.round(height / by),
    }));
    const shortest = Math.min(size.width, size.height, styleSize.width, styleSize.height);
    const tooSmall = shortest < LEAST_SIDE || Math.max(size.width, size.height) < leastScale;
    if (by > 1 && (tooSmall || scales.length === evaluations)) break;
    scales.unshift({ size, styleSize, emphasis: by ** 2 });
  }
  const share = Math.floor(evaluations / scales.length);
  scales.forEach((scale) => (scale.evaluations = share));
  scales.at(-1).evaluations += evaluations % scales.length;
  return scales;
}

// The coarse painting at the size of `start`, with the details of `start` that it is too small to hold.
function refine(coarse, start) {
  const change = combine(coarse, resample(start, coarse), (a, b) => a - b);
  return clip(combine(start, resample(change, start), (a, b) => a + b));
}

async function paint(network, { content, style, strength, evaluations }, isStopped, report) {
  const { painting: constants, optimiser } = network.description;
  const scales = planScales(content, style, evaluations, constants);
  const clock = new Clock(scales);
  let picture = null;
  let objective;
  for (const scale of scales) {
    const [contentHere, styleHere] = [resize(content, scale.size), resize(style, scale.styleSize)];
    const start = matchBands(contentHere, styleHere);
    picture = picture ? refine(picture, start) : start;
    if (isStopped()) continue;
    const compute = await network.objective(contentHere, styleHere, { strength, emphasis: scale.emphasis });
    objective = async (pixels) => {
      await aMoment(); // in which a message may arrive
      if (isStopped()) throw STOPPED;
      const result = await compute(pixels);
      report({ evaluations: clock.tick(scale), total: evaluations, ...clock.reading() });
      return result;
    };
    try {
      const steps = lbfgs(objective, picture.pixels, { ...optimiser, evaluations: scale.evaluations });
      for await (const { image, loss, content, style } of steps) {
        picture = { ...scale.size, pixels: image };
        report({ picture, losses: { loss, content, style } });
      }
    } catch (error) {
      if (error !== STOPPED) throw error;
    }
    objective = compute;
    clock.finish(scale);
  }
  return deliver(picture, isStopped() ? null : objective);
}

// The picture as a file of 8 bits a channel holds it, and its own losses.
async function deliver(picture, objective) {
  const delivered = { ...picture, pixels: picture.pixels.map((value) => Math.round(value * 255) / 255) };
  if (!objective) return { picture: delivered };
  const { loss, content, style } = await objective(delivered.pixels);
  return { picture: delivered, losses: { loss, content, style } };
}

// How much is done, and how long the rest will take: the time goes with pixels times evaluations.
class Clock {
  constructor(scales) {
    this.scales = scales;
    this.evaluations = this.done = 0;
    this.total = scales.reduce((sum, scale) => sum + this.#work(scale) * scale.evaluations, 0);
    this.started = null;
  }

  #work({ size }) {
    return size.width * size.height;
  }

  tick(scale) {
    scale.used = (scale.used ?? 0) + 1;
    this.done += this.#work(scale);
    this.started ??= { time: performance.now(), done: this.done }; // the first one warms up
    return ++this.evaluations;
  }

  reading() {
    const since = this.done - this.started.done;
    const milliseconds = performance.now() - this.started.time;
    const seconds = since > 0 ? ((milliseconds / since) * (this.total - this.done)) / 1000 : null;
    return { share: this.done / this.total, secondsLeft: seconds };
  }

  finish(scale) {
    const unused = scale.evaluations - (scale.used ?? 0); // a minimum may be reached early
    this.total -= unused * this.#work(scale);
  }
}

function aMoment() {
  return new Promise((resolve) => setTimeout(resolve));
}

// ---------------------------------------------------------------------------------------------------------------
// The worker: takes {id, task, ...} and answers {id, progress}, then {id, result} or {id, error}.

function startWorker() {
  let network = null;
  let stopping = false;
  const tasks = {
    load: async ({ wanted }, report) => {
      network = await Network.load(wanted, report);
      return { backend: network.backend, parity: network.parity, description: network.description };
    },
    paint: (options, report) => {
      stopping = false;
      return paint(network, options, () => stopping, report);
    },
    stop: async () => {
      stopping = true;
    },
    evaluate: async ({ content, style, image, strength }) =>
      (await network.objective(content, style, { strength }))(image.pixels),
  };
  self.onmessage = async ({ data: { id, task, ...options } }) => {
    try {
      self.postMessage({ id, result: await tasks[task](options, (progress) => self.postMessage({ id, progress })) });
    } catch (error) {
      self.postMessage({ id, error: sentence(error) });
    }
  };
}

function sentence(error) {
  const text = String(error?.message ?? error);
  if (/memory|alloc|Aborted|out of bounds/i.test(text)) {
    return "The browser has too little memory for this: choose a smaller size, or close other pages.";
  }
  return text.split("\n")[0];
}

class Painter {
  constructor() {
    this.worker = new Worker(new URL(import.meta.url), { type: "module" });
    this.waiting = new Map();
    this.worker.onmessage = ({ data }) => {
      const { resolve, reject, report } = this.waiting.get(data.id);
      if ("progress" in data) return report?.(data.progress);
      this.waiting.delete(data.id);
      return "error" in data ? reject(new Error(data.error)) : resolve(data.result);
    };
    this.worker.onerror = (event) => {
      const text = event.message ?? "The part of the page that computes could not be started: reload it.";
      this.waiting.forEach(({ reject }) => reject(new Error(sentence(text))));
    };
  }

  ask(task, options = {}, report = null) {
    const id = crypto.randomUUID?.() ?? String(Math.random());
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, report });
      this.worker.postMessage({ id, task, ...options });
    });
  }
}

// ---------------------------------------------------------------------------------------------------------------
// The page.

const element = (id) => document.getElementById(id);

const STRENGTHS = ["faintest", "fainter", "faint", "light", "medium", "strong", "stronger", "very strong", "strongest"];

class Page {
  constructor() {
    this.sources = { content: null, style: null };
    this.names = {};
    this.isReady = this.isPainting = false;
    for (const role of ["content", "style"]) this.#listenForPictures(role);
    for (const id of ["size", "strength", "evaluations"]) {
      element(id).addEventListener("input", () => this.#showValues());
    }
    this.#showValues();
    element("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#run(() => this.#paint());
    });
    element("stop").addEventListener("click", () => this.#stop());
    element("save").addEventListener("click", () => this.#run(() => this.#save()));
    this.ready = this.#load();
    this.ready.catch((error) => this.#fail(error));
  }

  // For tests, and whoever wants to look on: the page's own computation at given pictures.
  async evaluate({ content, style, image, strength = 1 }) {
    await this.ready;
    return this.worker.ask("evaluate", { content, style, image, strength });
  }

  async #load() {
    this.#say("Loading the network…");
    this.worker = new Painter();
    const wanted = new URLSearchParams(location.search).get("backend");
    const { backend, parity, description } = await this.worker.ask("load", { wanted }, ({ share }) => {
      this.#say(share < 1 ? `Loading the network, ${Math.round(100 * share)} %` : "Preparing the network…");
      element("progress").value = share;
    });
    this.backend = backend;
    element("backend").textContent = backend;
    if (parity !== undefined) element("parity").textContent = ` (${parity.toExponential(0)} from WebAssembly)`;
    element("progress").value = 0;
    if (!this.isReady) this.#describe(description);
    this.isReady = true;
    this.#update();
    return backend;
  }

  #describe({ objective, examples }) {
    if (objective.weights.source === "oxford") {
      element("credit").textContent = "Network: VGG-19 by K. Simonyan and A. Zisserman (CC BY 4.0).";
    }
    for (const [role, paths] of Object.entries(examples)) this.#offer(role, paths);
  }

  // Pictures

  #listenForPictures(role) {
    const [drop, input] = [element(`${role}-drop`), element(`${role}-file`)];
    input.addEventListener("change", () => {
      if (input.files.length) this.#run(() => this.#choose(role, input.files[0], input.files[0].name));
    });
    for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.toggle("over", name === "dragenter" || name === "dragover");
      });
    }
    drop.addEventListener("drop", ({ dataTransfer: { files } }) => {
      if (files.length) this.#run(() => this.#choose(role, files[0], files[0].name));
    });
  }

  #offer(role, paths) {
    const group = element(`${role}-examples`);
    group.hidden = false;
    for (const path of paths) {
      const name = path.split("/").at(-1).replace(/\.\w+$/, "");
      const image = Object.assign(document.createElement("img"), { src: path, alt: name });
      const button = Object.assign(document.createElement("button"), { type: "button", title: name });
      button.setAttribute("aria-pressed", "false");
      button.append(image);
      button.addEventListener("click", () =>
        this.#run(async () => {
          await this.#choose(role, await (await fetched(path)).blob(), name);
          button.setAttribute("aria-pressed", "true");
        }),
      );
      group.append(button);
    }
  }

  async #choose(role, file, name) {
    const bitmap = await createImageBitmap(file).catch(() => null);
    if (!bitmap) throw new Error(`${name} is not a picture that this browser can read: choose a JPEG or PNG.`);
    if (Math.min(bitmap.width, bitmap.height) < LEAST_SIDE) {
      throw new Error(`${name} has ${bitmap.width} × ${bitmap.height} pixels: choose one with ${LEAST_SIDE} a side.`);
    }
    this.sources[role] = bitmap;
    this.names[role] = name.replace(/\.\w+$/, "");
    for (const pressed of element(`${role}-examples`).children) pressed.setAttribute("aria-pressed", "false");
    const preview = element(`${role}-preview`);
    URL.revokeObjectURL(preview.src);
    preview.src = URL.createObjectURL(file);
    preview.alt = name;
    preview.hidden = false;
    element(`${role}-drop`).classList.add("filled");
    if (role === "content" && !this.isPainting) this.#showPhotograph();
    this.#update();
  }

  #showPhotograph() {
    this.#show(scaled(this.sources.content, 512));
    element("canvas").setAttribute("aria-label", "The photograph, not painted yet");
    this.fileName = null;
    element("figures").hidden = true;
    element("progress").value = 0;
  }

  // Painting

  async #paint() {
    const size = Number(element("size").value);
    const [content, style] = ["content", "style"].map((role) => pictureOf(scaled(this.sources[role], size)));
    const name = `${this.names.content}-${this.names.style}.png`;
    const options = { content, style, strength: this.#strength(), evaluations: Number(element("evaluations").value) };
    this.isPainting = true;
    this.curve = [];
    this.#update();
    this.#say("Starting…");
    this.#announce("Painting has started.");
    const started = performance.now();
    try {
      const result = await this.worker.ask("paint", options, (progress) => this.#progress(progress));
      this.fileName = name;
      this.#show(imageDataOf(result.picture));
      if (result.losses) this.#showLosses(result.losses);
      const seconds = (performance.now() - started) / 1000;
      const end = this.isStopping ? "Stopped" : "Finished";
      element("progress").value = this.isStopping ? element("progress").value : 1;
      this.#say(`${end} after ${this.done ?? 0} steps in ${duration(seconds)}.`);
      this.#announce(`${end}. The painting can be saved.`);
    } catch (error) {
      await this.#restart();
      throw error;
    } finally {
      this.isPainting = this.isStopping = false;
      this.#update();
    }
  }

  // A network that ran out of memory is of no more use.
  async #restart() {
    this.worker.worker.terminate();
    this.ready = this.#load();
    await this.ready;
  }

  #progress({ picture, losses, evaluations, total, share, secondsLeft }) {
    if (picture) {
      this.#show(imageDataOf(picture));
      this.#showLosses(losses);
      element("canvas").setAttribute("aria-label", `${this.names.content} in the style of ${this.names.style}`);
      return;
    }
    this.done = evaluations;
    element("progress").value = share;
    const left = secondsLeft === null ? "" : `, about ${duration(secondsLeft)} left`;
    if (!this.isStopping) this.#say(`Step ${evaluations} of ${total}${left}`);
    if (evaluations % Math.ceil(total / 4) === 0 && evaluations < total) {
      this.#announce(`${Math.round(100 * share)} percent painted${left}.`);
    }
  }

  #stop() {
    this.isStopping = true;
    this.#say("Stopping after this step…");
    this.#update();
    this.worker.ask("stop");
  }

  async #save() {
    const blob = await new Promise((resolve) => element("canvas").toBlob(resolve, "image/png"));
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: this.fileName });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    this.#announce(`Saved as ${this.fileName}.`);
  }

  // What is shown

  #strength() {
    return 10 ** (Number(element("strength").value) / 4);
  }

  #showValues() {
    const size = element("size").value;
    element("size-value").textContent = `${size} pixels`;
    element("size").setAttribute("aria-valuetext", `${size} pixels on the long side`);
    const strength = STRENGTHS[Number(element("strength").value) + 4];
    element("strength-value").textContent = strength;
    element("strength").setAttribute("aria-valuetext", strength);
    element("evaluations-value").textContent = element("evaluations").value;
  }

  #show(imageData) {
    const canvas = element("canvas");
    canvas.width = imageData.width;
    canvas.height = imageData.height;
    canvas.getContext("2d").putImageData(imageData, 0, 0);
    element("frame").style.setProperty("--shape", imageData.width / imageData.height);
    element("frame").classList.add("shown");
  }

  #showLosses({ loss, content, style }) {
    element("figures").hidden = false;
    element("loss").textContent = short(loss);
    element("loss-content").textContent = short(content);
    element("loss-style").textContent = short(style);
    this.curve.push(Math.log(Math.max(loss, 1e-12)));
    const [low, high] = [Math.min(...this.curve), Math.max(...this.curve)];
    const points = this.curve.map((value, i) => {
      const x = (300 * i) / Math.max(this.curve.length - 1, 1);
      return `${x.toFixed(1)},${(3 + (54 * (high - value)) / Math.max(high - low, 1e-9)).toFixed(1)}`;
    });
    element("curve").firstElementChild.setAttribute("points", points.join(" "));
  }

  #update() {
    const hasPictures = this.sources.content && this.sources.style;
    element("paint").disabled = !(this.isReady && hasPictures) || this.isPainting;
    element("stop").disabled = !this.isPainting || Boolean(this.isStopping);
    element("save").disabled = this.isPainting || !this.fileName;
    if (!this.isReady || this.isPainting || this.fileName) return;
    const missing = ["content", "style"].filter((role) => !this.sources[role]);
    const words = { content: "a photograph", style: "a picture whose style to use" };
    this.#say(missing.length ? `Choose ${missing.map((role) => words[role]).join(" and ")}.` : "Ready to paint.");
  }

  #say(text) {
    element("status").textContent = text;
  }

  #announce(text) {
    element("live").textContent = text;
  }

  async #run(action) {
    element("error").hidden = true;
    await action().catch((error) => this.#fail(error));
  }

  #fail(error) {
    element("error").textContent = sentence(error);
    element("error").hidden = false;
    if (!this.isReady) this.#say("The page cannot paint.");
  }
}

// A bitmap with its long side reduced to `size`, over white where it is transparent, as ImageData.
function scaled(bitmap, size) {
  const by = Math.min(1, size / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(Math.round(side * by), LEAST_SIDE));
  let source = bitmap;
  // A browser may look at four pixels only: halving lets every one count.
  for (let { width: w, height: h } = bitmap; w >= 2 * width && h >= 2 * height; ) {
    [w, h] = [Math.ceil(w / 2), Math.ceil(h / 2)];
    source = drawn(source, w, h);
  }
  return drawn(source, width, height).getContext("2d").getImageData(0, 0, width, height);
}

function drawn(source, width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  return canvas;
}

function pictureOf({ width, height, data }) {
  const area = width * height;
  const pixels = Float32Array.from({ length: 3 * area }, (_, i) => data[4 * (i % area) + Math.floor(i / area)] / 255);
  return { width, height, pixels };
}

function imageDataOf({ width, height, pixels }) {
  const area = width * height;
  const data = new Uint8ClampedArray(4 * area).fill(255);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) data[4 * i + c] = Math.round(255 * pixels[c * area + i]);
  }
  return new ImageData(data, width, height);
}

function duration(seconds) {
  if (seconds < 59.5) return `${Math.max(Math.round(seconds), 1)} s`;
  const tens = Math.round(seconds / 10);
  return `${Math.floor(tens / 6)} min ${10 * (tens % 6)} s`;
}

function short(number) {
  return number >= 1000 ? Math.round(number).toLocaleString("en") : String(Number(number.toPrecision(3)));
}

if (typeof document === "undefined") startWorker();
else window.paint = new Page();
