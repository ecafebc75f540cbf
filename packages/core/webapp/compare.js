/** Moves the border between the content image (left) and the result (right). */
export default function ({ parentElement, data }) {
  const find = (selector) => parentElement.querySelector(selector);
  for (const name of ["before", "after"]) {
    const image = find("#" + name);
    if (image.src !== data[name]) image.src = data[name];
  }
  const figure = find("figure");
  const slider = find("input");
  figure.style.maxWidth = `${75 * data.aspectRatio}vh`;
  const moveBorder = () => figure.style.setProperty("--position", `${slider.value}%`);
  slider.oninput = moveBorder;
  moveBorder();
}
