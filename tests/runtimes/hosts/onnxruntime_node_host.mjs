// ONNX Runtime for Node.

import { InferenceSession, Tensor } from "onnxruntime-node";
import { doJob } from "./exchange.mjs";

await doJob(async (artifact) => {
  const session = await InferenceSession.create(artifact);
  return (inputs) => {
    const feeds = Object.entries(inputs).map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)]);
    return session.run(Object.fromEntries(feeds));
  };
}, "onnxruntime-node");
