// ONNX Runtime's WebAssembly in Chromium.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { chromium } from "playwright-core";
import { doJob } from "./exchange.mjs";

const types = { mjs: "text/javascript", wasm: "application/wasm" };

// Serve the files of onnxruntime-web, an empty page and the artifact.
function serve(artifact) {
  const server = createServer(({ url }, response) => {
    const file = url.match(/^\/(ort[\w.-]*\.(mjs|wasm))$/);
    response.setHeader("Content-Type", file ? types[file[2]] : "text/html");
    if (url === "/artifact") response.end(artifact);
    else response.end(file ? readFileSync(new URL(`node_modules/onnxruntime-web/dist/${file[1]}`, import.meta.url)) : "");
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

let server, browser;
try {
  await doJob(async (artifact) => {
    server = await serve(artifact);
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.evaluate(async () => {
      const { InferenceSession, Tensor, env } = await import("/ort.wasm.min.mjs");
      env.wasm.numThreads = 1;
      const session = await InferenceSession.create(new Uint8Array(await (await fetch("/artifact")).arrayBuffer()));
      globalThis.run = async (inputs) => {
        const array = (type, data) => (type === "int64" ? BigInt64Array.from(data, BigInt) : Float32Array.from(data));
        const feeds = inputs.map(([name, type, dims, data]) => [name, new Tensor(type, array(type, data), dims)]);
        const outputs = await session.run(Object.fromEntries(feeds));
        return Object.entries(outputs).map(([name, { dims, data }]) => [name, { dims, data: Array.from(data, Number) }]);
      };
    });
    return async (inputs) => {
      const plain = Object.entries(inputs).map(([name, { type, dims, data }]) => [name, type, dims, Array.from(data, Number)]);
      return Object.fromEntries(await page.evaluate((given) => globalThis.run(given), plain));
    };
  }, "onnxruntime-web");
} finally {
  await browser?.close();
  server?.close();
}
