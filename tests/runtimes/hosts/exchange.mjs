// The job of a host in JavaScript: see exchange.py.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { argv } from "node:process";

const length = (sides) => sides.reduce((product, side) => product * side, 1);

function readTensors(folder) {
  const { buffer } = new Uint8Array(readFileSync(`${folder}/inputs.bin`));
  const tensors = {};
  let start = 0;
  for (const line of readFileSync(`${folder}/inputs.txt`, "utf8").trim().split("\n")) {
    const [key, ...sides] = line.split(" ");
    const [name, type = "float32"] = key.split(":");
    const dims = sides.map(Number);
    const bytes = length(dims) * (type === "int64" ? 8 : 4);
    const part = buffer.slice(start, start + bytes);
    tensors[name] = { type, dims, data: type === "int64" ? new BigInt64Array(part) : new Float32Array(part) };
    start += bytes;
  }
  return tensors;
}

function writeTensors(folder, names, tensors) {
  writeFileSync(`${folder}/outputs.txt`, names.map((name) => [name, ...tensors[name].dims].join(" ") + "\n").join(""));
  const values = names.map((name) => Float32Array.from(tensors[name].data));
  writeFileSync(`${folder}/outputs.bin`, Buffer.concat(values.map((one) => new Uint8Array(one.buffer))));
}

// `load` is called with the artifact as bytes, and returns an async function from tensors to tensors by name, each
// { type, dims, data }. `packageName` is the npm package of the runtime.
export async function doJob(load, packageName) {
  const [artifact, job] = argv.slice(2);
  const names = readFileSync(`${job}/outputs.txt`, "utf8").trim().split("\n");
  const { version } = JSON.parse(readFileSync(new URL(`node_modules/${packageName}/package.json`, import.meta.url)));
  writeFileSync(`${job}/version.txt`, version);
  const run = await load(readFileSync(artifact));
  for (const entry of readdirSync(job, { withFileTypes: true }).filter((one) => one.isDirectory())) {
    const folder = `${job}/${entry.name}`;
    writeTensors(folder, names, await run(readTensors(folder)));
  }
}
