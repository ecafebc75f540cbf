// The part of the page that displays the output image, its losses, the progress and messages.

import { element } from "./dom.js";

const CURVE = { width: 300, height: 60, margin: 3 }; // the viewBox of #curve

/** The canvas, the losses and their curve. */
export class OutputView {
  #logLosses = [];

  /** Display ImageData with a description of it. */
  showImage(imageData, label) {
    const canvas = element("canvas");
    canvas.width = imageData.width;
    canvas.height = imageData.height;
    canvas.getContext("2d").putImageData(imageData, 0, 0);
    canvas.setAttribute("aria-label", label);
    element("frame").style.setProperty("--shape", imageData.width / imageData.height);
    element("frame").classList.add("filled");
  }

  /** Display the losses and append the total loss to the curve. */
  showLosses({ loss, content, style, tv }) {
    element("losses").hidden = false;
    element("loss").textContent = formatNumber(loss);
    element("loss-content").textContent = formatNumber(content);
    element("loss-style").textContent = formatNumber(style);
    element("loss-tv").textContent = formatNumber(tv);
    this.#logLosses.push(Math.log(Math.max(loss, 1e-12)));
    this.#drawCurve();
  }

  hideLosses() {
    element("losses").hidden = true;
  }

  /** Start a new curve at the next losses. */
  resetCurve() {
    this.#logLosses = [];
  }

  /** Download the displayed image as a PNG file. */
  async save(fileName) {
    const blob = await new Promise((resolve) => element("canvas").toBlob(resolve, "image/png"));
    const url = URL.createObjectURL(blob);
    Object.assign(document.createElement("a"), { href: url, download: fileName }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  #drawCurve() {
    const [low, high] = [Math.min(...this.#logLosses), Math.max(...this.#logLosses)];
    const [xScale, yScale] = [
      CURVE.width / Math.max(this.#logLosses.length - 1, 1),
      (CURVE.height - 2 * CURVE.margin) / Math.max(high - low, 1e-9),
    ];
    const points = this.#logLosses.map((value, i) => {
      return `${(i * xScale).toFixed(1)},${(CURVE.margin + (high - value) * yScale).toFixed(1)}`;
    });
    element("curve").firstElementChild.setAttribute("points", points.join(" "));
  }
}

export function showStatus(text) {
  element("status").textContent = text;
}

/** Set the progress bar to a share in [0, 1]. */
export function showProgress(share) {
  element("progress").value = share;
}

/** Announce a text to users of screen readers. */
export function announce(text) {
  element("live").textContent = text;
}

export function showError(text) {
  element("error").textContent = text;
  element("error").hidden = false;
}

export function hideError() {
  element("error").hidden = true;
}

export function formatDuration(seconds) {
  if (seconds < 59.5) return `${Math.max(Math.round(seconds), 1)} s`;
  const tens = Math.round(seconds / 10);
  return `${Math.floor(tens / 6)} min ${10 * (tens % 6)} s`;
}

function formatNumber(number) {
  return number >= 1000 ? Math.round(number).toLocaleString("en") : String(Number(number.toPrecision(3)));
}
