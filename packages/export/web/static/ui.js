// The page: its form, its buttons and the state of a run.

import { scaleBitmap, toImage, toImageData } from "./bitmaps.js";
import { WorkerClient } from "./client.js";
import { element } from "./dom.js";
import { fetchFile } from "./download.js";
import { errorMessage } from "./errors.js";
import { ImageInput } from "./inputs.js";
import { OutputView, announce, formatDuration, hideError, showError, showProgress, showStatus } from "./output.js";

const PREVIEW_SIZE = 512; // long side of the content image on the canvas before a run

class Page {
  isReady = false;
  isRunning = false;
  isStopping = false;
  /** File name of the displayed output image, or null. */
  fileName = null;
  /** Evaluations of the current run. */
  evaluations = 0;

  constructor() {
    this.output = new OutputView();
    this.settings = fetchFile("page.json").then((response) => response.json());
    this.settings.then((settings) => this.#showSettings(settings), () => {}); // `ready` fails as well
    const options = { settings: this.settings, run: (action) => this.#run(action) };
    this.content = new ImageInput("content", { ...options, onChange: () => this.#showContentImage() });
    this.style = new ImageInput("style", { ...options, onChange: () => this.#update() });
    this.#listen();
    this.#showFormValues();
    showThemeIcon();
    /** Resolves to the name of the backend when the page is ready. */
    this.ready = this.#load();
    this.ready.catch((error) => this.#fail(error));
  }

  /** Evaluate the objective at given images; for tests and for use in the browser's console. */
  async evaluate({ content, style, image, options }) {
    await this.ready;
    return this.worker.call("evaluate", { content, style, image, options });
  }

  #listen() {
    for (const id of ["size", "strength", "evaluations"]) {
      element(id).addEventListener("input", () => this.#showFormValues());
    }
    element("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#run(() => this.#transfer());
    });
    element("stop").addEventListener("click", () => this.#stop());
    element("save").addEventListener("click", () => this.#run(() => this.#save()));
  }

  async #load() {
    this.isReady = false;
    showStatus("Loading the network…");
    const settings = await this.settings;
    this.worker = new WorkerClient();
    const requestedBackend = new URLSearchParams(location.search).get("backend");
    const { backend, difference } = await this.worker.call("load", { settings, requestedBackend }, (share) => {
      showStatus(share < 1 ? `Loading the network, ${Math.round(100 * share)} %` : "Preparing the network…");
      showProgress(share);
    });
    element("backend").textContent = backend;
    if (difference !== undefined) {
      element("difference").textContent = ` (relative difference from WebAssembly: ${difference.toExponential(0)})`;
    }
    showProgress(0);
    this.isReady = true;
    this.#update();
    return backend;
  }

  #showSettings({ objective, examples }) {
    if (objective.weights.source === "oxford") {
      element("credit").textContent = "Network: VGG-19 by K. Simonyan and A. Zisserman (CC BY 4.0).";
    }
    for (const [role, paths] of Object.entries(examples)) this[role].showExamples(paths);
  }

  async #showContentImage() {
    if (!this.isRunning) {
      const { schedule } = await this.settings;
      this.output.showImage(scaleBitmap(this.content.bitmap, PREVIEW_SIZE, schedule.min_side), "The content image");
      this.output.hideLosses();
      this.fileName = null;
      showProgress(0);
    }
    this.#update();
  }

  async #transfer() {
    const { schedule } = await this.settings;
    const size = Number(element("size").value);
    const [content, style] = [this.content, this.style].map(({ bitmap }) =>
      toImage(scaleBitmap(bitmap, size, schedule.min_side)),
    );
    const names = { content: this.content.name, style: this.style.name };
    const evaluations = Number(element("evaluations").value);
    const strength = Number(element("strength").value) / 100;
    const request = { content, style, strength, evaluations };
    this.isRunning = true;
    this.evaluations = 0;
    this.output.resetCurve();
    this.#update();
    showStatus("Starting…");
    announce("The run has started.");
    const start = performance.now();
    try {
      const result = await this.worker.call("transfer", request, (progress) => this.#showProgress(progress, names));
      this.fileName = `${names.content}-${names.style}.png`;
      this.#showResult(result, names, (performance.now() - start) / 1000);
    } catch (error) {
      await this.#restart();
      throw error;
    } finally {
      this.isRunning = this.isStopping = false;
      this.#update();
    }
  }

  #showProgress({ image, losses, evaluations, total, share, secondsLeft }, names) {
    if (image) {
      this.output.showImage(toImageData(image), resultLabel(names));
      this.output.showLosses(losses);
      return;
    }
    this.evaluations = evaluations;
    showProgress(share);
    const left = secondsLeft === null ? "" : `, about ${formatDuration(secondsLeft)} left`;
    if (!this.isStopping) showStatus(`Evaluation ${evaluations} of ${total}${left}`);
    if (evaluations % Math.ceil(total / 4) === 0 && evaluations < total) {
      announce(`${Math.round(100 * share)} percent done${left}.`);
    }
  }

  #showResult({ image, losses }, names, seconds) {
    this.output.showImage(toImageData(image), resultLabel(names));
    if (losses) this.output.showLosses(losses);
    if (!this.isStopping) showProgress(1);
    const state = this.isStopping ? "Stopped" : "Finished";
    showStatus(`${state} after ${this.evaluations} evaluations in ${formatDuration(seconds)}.`);
    announce(`${state}. The result can be saved.`);
  }

  // A session cannot be used any more once it ran out of memory.
  async #restart() {
    this.worker.terminate();
    this.ready = this.#load();
    await this.ready;
  }

  #stop() {
    this.isStopping = true;
    showStatus("Stopping after this evaluation…");
    this.#update();
    this.worker.call("stop");
  }

  async #save() {
    await this.output.save(this.fileName);
    announce(`Saved as ${this.fileName}.`);
  }

  #showFormValues() {
    const size = element("size").value;
    element("size-value").textContent = `${size} pixels`;
    element("size").setAttribute("aria-valuetext", `${size} pixels on the long side`);
    element("strength-value").textContent = `${element("strength").value} %`;
    element("evaluations-value").textContent = element("evaluations").value;
  }

  // Enable the buttons that can be used, and say what is missing before a run.
  #update() {
    const missing = [this.content, this.style].filter(({ bitmap }) => !bitmap).map(({ role }) => `a ${role} image`);
    element("run").disabled = !this.isReady || missing.length > 0 || this.isRunning;
    element("stop").disabled = !this.isRunning || this.isStopping;
    element("save").disabled = this.isRunning || !this.fileName;
    if (!this.isReady || this.isRunning || this.fileName) return;
    showStatus(missing.length ? `Choose ${missing.join(" and ")}.` : "Ready.");
  }

  async #run(action) {
    hideError();
    await action().catch((error) => this.#fail(error));
  }

  #fail(error) {
    showError(errorMessage(error));
    if (!this.isReady) showStatus("The page could not be loaded.");
  }
}

function resultLabel({ content, style }) {
  return `${content} in the style of ${style}`;
}

// Set the icon of the browser's tab, an SVG template in the page, in the primary colour of the theme.
function showThemeIcon() {
  const primary = getComputedStyle(document.documentElement).getPropertyValue("--primary");
  const svg = element("icon").innerHTML.trim().replace("var(--primary)", primary);
  document.querySelector("link[rel=icon]").href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

window.styleTransfer = new Page();
