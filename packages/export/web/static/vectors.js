// Arithmetic on vectors (typed arrays). Sums are accumulated in double precision.

export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** Inner product over the free values; `free` is a mask of 0 and 1. */
export function maskedDot(a, b, free) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i] * free[i];
  return sum;
}

/** Add `factor * values` to `target` in place, at the free values only. */
export function addMasked(target, factor, values, free) {
  for (let i = 0; i < target.length; i++) target[i] += factor * values[i] * free[i];
}

export function subtract(a, b) {
  return a.map((value, i) => value - b[i]);
}

export function clip(values) {
  return values.map((value) => Math.min(Math.max(value, 0), 1));
}

export function rootMeanSquare(values) {
  return Math.sqrt(dot(values, values) / values.length);
}
