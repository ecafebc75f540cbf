// Style transfer with one file: node paint.js painter.onnx cup.png night.png result.png [evaluations]

import { readFileSync, writeFileSync } from "node:fs";
import { argv, exit } from "node:process";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { PNG } from "pngjs";

// Return a PNG image as (height, width, 3), uint8 RGB.
function readImage(path) {
  const { data, width, height } = PNG.sync.read(readFileSync(path)); // interleaved RGBA
  return new Tensor("uint8", data.filter((_, i) => i % 4 < 3), [height, width, 3]);
}

const integers = (...values) => new Tensor("int64", BigInt64Array.from(values, BigInt), [values.length]);
const empty = new Tensor("float32", new Float32Array(0), [0]); // empty settings have the values of the export

const painter = await InferenceSession.create(argv[2]);
const inputs = {
  content: readImage(argv[3]),
  style: readImage(argv[4]),
  image_size: integers(),
  evaluations: integers(argv[6] ?? 270),
  strength: empty,
  passes: integers(10),
  state: empty,
};
let outputs, status;
do {
  outputs = await painter.run(inputs);
  status = Number(outputs.status.data[0]);
  if (status < 0) exit(console.error(`the painter refuses its inputs: status ${status}`) ?? 1);
  console.log(`evaluation ${outputs.evaluations_made.data[0]}  loss ${outputs.losses.data.at(-1)}`);
  inputs.state = outputs.next_state;
} while (status === 0);

const [height, width] = outputs.image.dims;
const result = new PNG({ width, height });
result.data.fill(255); // opaque
outputs.image.data.forEach((value, i) => (result.data[i + Math.floor(i / 3)] = value));
writeFileSync(argv[5], PNG.sync.write(result));
