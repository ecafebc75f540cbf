import { MessageError, errorMessage } from "./errors.js";

/** Runs the tasks of worker.js in a web worker. */
export class WorkerClient {
  #worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  #calls = new Map();

  constructor() {
    this.#worker.onmessage = ({ data }) => {
      const { resolve, reject, onProgress } = this.#calls.get(data.id);
      if ("progress" in data) return onProgress(data.progress);
      this.#calls.delete(data.id);
      return "error" in data ? reject(new MessageError(data.error)) : resolve(data.result);
    };
    this.#worker.onerror = ({ message }) => {
      const error = new MessageError(errorMessage(message ?? "The web worker could not be started: reload the page."));
      for (const { reject } of this.#calls.values()) reject(error);
    };
  }

  /** Run a task; return its result, or throw the worker's error. */
  call(task, options = {}, onProgress = () => {}) {
    const id = crypto.randomUUID?.() ?? String(Math.random()); // randomUUID exists only in secure contexts
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject, onProgress });
      this.#worker.postMessage({ id, task, ...options });
    });
  }

  terminate() {
    this.#worker.terminate();
  }
}
