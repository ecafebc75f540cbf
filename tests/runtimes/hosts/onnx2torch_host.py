"""onnx2torch: conversion of ONNX to a PyTorch module."""

from importlib.metadata import version

import onnx
import onnx2torch
import torch
from exchange import Arrays, Run, do_job


def load(artifact: str, inputs: Arrays, names: list[str]) -> Run:
    model = onnx.load(artifact)
    order = [value.name for value in model.graph.input]
    declared = [value.name for value in model.graph.output]
    module = onnx2torch.convert(model).eval()

    @torch.no_grad()
    def run(given: Arrays) -> dict:
        outputs = module(*(torch.from_numpy(given[name]) for name in order))
        return dict(zip(declared, (value.numpy() for value in outputs), strict=True))

    return run


do_job(load, version("onnx2torch"))
