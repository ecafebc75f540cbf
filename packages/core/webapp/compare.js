/** Moves the border between the photograph and the painting. */
export default function ({ parentElement, data }) {
  const find = (selector) => parentElement.querySelector(selector);
  for (const name of ["before", "after"]) if (find("#" + name).src !== data[name]) find("#" + name).src = data[name];
  find("figure").style.maxWidth = `${75 * data.shape}vh`;
  const slider = find("input");
  const move = () => find("figure").style.setProperty("--at", `${slider.value}%`);
  slider.oninput = move;
  move();
}
