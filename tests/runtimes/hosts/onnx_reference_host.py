"""The reference evaluator of ONNX: NumPy code for each operator."""

import onnx
from exchange import Arrays, Run, do_job
from onnx.reference import ReferenceEvaluator


def load(artifact: str, inputs: Arrays, names: list[str]) -> Run:
    evaluator = ReferenceEvaluator(artifact)
    return lambda given: evaluator.run(names, dict(given))


do_job(load, onnx.__version__)
