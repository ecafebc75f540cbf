// The web worker that computes. It receives {id, task, ...options}, and sends {id, progress} any number of times, then
// {id, result} or {id, error}.

import { openBackend } from "./backend.js";
import { download } from "./download.js";
import { errorMessage } from "./errors.js";
import { transfer } from "./transfer.js";

let session = null;
let isStopRequested = false;

const tasks = {
  async load({ settings, requestedBackend }, report) {
    const model = await download("objective.onnx", report);
    const opened = await openBackend(settings, model, requestedBackend);
    session = opened.session;
    return { backend: session.backend, difference: opened.difference };
  },
  async transfer(request, report) {
    isStopRequested = false;
    return transfer(session, request, () => isStopRequested, report);
  },
  async stop() {
    isStopRequested = true;
  },
  async evaluate({ content, style, image, options }) {
    const objective = await session.objective(content, style, options);
    return objective(image.pixels);
  },
};

self.onmessage = async ({ data: { id, task, ...options } }) => {
  try {
    const result = await tasks[task](options, (progress) => self.postMessage({ id, progress }));
    self.postMessage({ id, result });
  } catch (error) {
    self.postMessage({ id, error: errorMessage(error) });
  }
};
