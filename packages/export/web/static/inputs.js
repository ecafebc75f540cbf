// The part of the page where content image and style image are chosen.

import { element } from "./dom.js";
import { fetchFile } from "./download.js";
import { MessageError } from "./errors.js";

/** File input, drop zone, preview and examples of one role, "content" or "style". */
export class ImageInput {
  /** The chosen image, or null. */
  bitmap = null;
  /** Its file name without extension. */
  name = null;

  /**
   * @param settings The content of page.json, as a promise.
   * @param run Runs an async function and displays its error.
   * @param onChange Called, and awaited, when another image was chosen.
   */
  constructor(role, { settings, run, onChange }) {
    this.role = role;
    this.settings = settings;
    this.run = run;
    this.onChange = onChange;
    this.#listen();
  }

  #listen() {
    const [drop, input] = [element(`${this.role}-drop`), element(`${this.role}-file`)];
    const chooseFirst = (files) => {
      if (files.length) this.run(() => this.#choose(files[0], files[0].name));
    };
    input.addEventListener("change", () => chooseFirst(input.files));
    for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.toggle("over", name === "dragenter" || name === "dragover");
      });
    }
    drop.addEventListener("drop", ({ dataTransfer: { files } }) => chooseFirst(files));
  }

  /** Show a button for each example image. */
  showExamples(paths) {
    const group = element(`${this.role}-examples`);
    group.hidden = false;
    for (const path of paths) {
      const fileName = path.split("/").at(-1);
      const name = withoutExtension(fileName);
      const image = Object.assign(document.createElement("img"), { src: path, alt: name });
      const button = Object.assign(document.createElement("button"), { type: "button", title: name });
      button.setAttribute("aria-pressed", "false");
      button.append(image);
      const chooseExample = async () => {
        await this.#choose(await (await fetchFile(path)).blob(), fileName);
        button.setAttribute("aria-pressed", "true");
      };
      button.addEventListener("click", () => this.run(chooseExample));
      group.append(button);
    }
  }

  async #choose(file, fileName) {
    const bitmap = await createImageBitmap(file).catch(() => null);
    if (!bitmap) throw new MessageError(`${fileName} cannot be read by this browser: choose a JPEG or PNG file.`);
    const minSide = (await this.settings).schedule.min_side;
    if (Math.min(bitmap.width, bitmap.height) < minSide) {
      const size = `${bitmap.width} × ${bitmap.height}`;
      const remedy = `choose an image with at least ${minSide} pixels per side`;
      throw new MessageError(`${fileName} has ${size} pixels: ${remedy}.`);
    }
    this.bitmap = bitmap;
    this.name = withoutExtension(fileName);
    for (const button of element(`${this.role}-examples`).children) button.setAttribute("aria-pressed", "false");
    this.#showPreview(file);
    await this.onChange();
  }

  #showPreview(file) {
    const preview = element(`${this.role}-preview`);
    URL.revokeObjectURL(preview.src);
    preview.src = URL.createObjectURL(file);
    preview.alt = this.name;
    preview.hidden = false;
    element(`${this.role}-drop`).classList.add("filled");
  }
}

function withoutExtension(name) {
  return name.replace(/\.\w+$/, "");
}
