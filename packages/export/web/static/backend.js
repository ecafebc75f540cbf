// The choice between WebGPU and WebAssembly.

import { ObjectiveSession } from "./objective.js";
import { rootMeanSquare, subtract } from "./vectors.js";

const MAX_DIFFERENCE = 1e-3;

/**
 * Return {session, difference}: a session on WebGPU if its results agree with WebAssembly's, else on WebAssembly.
 *
 * `difference` is the relative difference of WebGPU's loss and gradient from WebAssembly's, undefined on WebAssembly.
 *
 * @param settings The content of page.json.
 * @param model The content of the ONNX file (Uint8Array).
 * @param requested "wasm", "webgpu" (also in software), or null for WebGPU on a graphics card.
 */
export async function openBackend(settings, model, requested) {
  const wasm = await ObjectiveSession.open(settings, model, "wasm");
  if (requested === "wasm" || !(await hasWebGPU(requested === "webgpu"))) return { session: wasm };
  let session = null;
  try {
    session = await ObjectiveSession.open(settings, model, "webgpu");
    const difference = await relativeDifference(session, wasm);
    if (difference > MAX_DIFFERENCE) throw new Error(`WebGPU differs from WebAssembly by ${difference}`);
    await wasm.release();
    return { session, difference };
  } catch (error) {
    console.warn(`Running on WebAssembly: ${error.message}`); // whether WebGPU works depends on the driver
    await session?.release().catch(({ message }) => console.warn(message));
    return { session: wasm };
  }
}

// An adapter in software is slower than WebAssembly.
async function hasWebGPU(acceptSoftware) {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  return Boolean(adapter) && (acceptSoftware || !adapter.info?.isFallbackAdapter);
}

// The larger of the relative differences of loss and gradient at a fixed image.
async function relativeDifference(session, reference) {
  const [content, style, image] = [1, 2, 3].map((frequency) => sinusoidalImage(48, 32, frequency));
  const [actual, expected] = await Promise.all(
    [session, reference].map(async (of) => (await of.objective(content, style))(image.pixels)),
  );
  const gradient = rootMeanSquare(subtract(actual.gradient, expected.gradient)) / rootMeanSquare(expected.gradient);
  const difference = Math.max(gradient, Math.abs(actual.loss / expected.loss - 1));
  return Number.isFinite(difference) ? difference : Infinity;
}

function sinusoidalImage(width, height, frequency) {
  const area = width * height;
  const value = (_, i) => {
    const phase = 0.11 * (i % width) + 0.23 * Math.floor(i / width);
    return 0.5 + 0.45 * Math.sin(frequency * phase + i / 9);
  };
  return { width, height, pixels: Float32Array.from({ length: 3 * area }, value) };
}
