"""ONNX Runtime."""

import onnxruntime
from exchange import Arrays, Run, do_job


def load(artifact: str, inputs: Arrays, names: list[str]) -> Run:
    session = onnxruntime.InferenceSession(artifact, providers=["CPUExecutionProvider"])
    return lambda given: session.run(names, given)


do_job(load, onnxruntime.__version__)
