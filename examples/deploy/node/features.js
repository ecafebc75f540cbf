// Print statistics of the features of an image: node features.js extractor.onnx cup.png

import { readFileSync } from "node:fs";
import { argv } from "node:process";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { PNG } from "pngjs";

// Return a PNG image as (1, 3, height, width), float32 RGB in [0, 1].
function readImage(path) {
  const { data, width, height } = PNG.sync.read(readFileSync(path)); // interleaved RGBA
  const size = width * height;
  const image = new Float32Array(3 * size);
  for (let channel = 0; channel < 3; channel++)
    for (let i = 0; i < size; i++) image[channel * size + i] = data[4 * i + channel] / 255;
  return new Tensor("float32", image, [1, 3, height, width]);
}

// Return the Gram matrix (channels * channels) of features (1, channels, h, w), divided by h * w.
function gram({ data, dims: [, channels, height, width] }) {
  const positions = height * width;
  const matrix = new Float64Array(channels * channels);
  for (let a = 0; a < channels; a++)
    for (let b = 0; b <= a; b++) {
      let sum = 0;
      for (let i = 0; i < positions; i++) sum += data[a * positions + i] * data[b * positions + i];
      matrix[a * channels + b] = matrix[b * channels + a] = sum / positions;
    }
  return matrix;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const norm = (values) => Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));

const extractor = await InferenceSession.create(argv[2]);
const features = await extractor.run({ image: readImage(argv[3]) });
for (const tap of extractor.outputNames) {
  const { data, dims } = features[tap];
  const statistics = [mean(data), norm(gram(features[tap]))].map((value) => value.toExponential(6));
  console.log(`${tap}  ${dims.slice(1).join(" x ")}  mean ${statistics[0]}  gram ${statistics[1]}`);
}
