"""LiteRT (TensorFlow Lite), converted from an exported program for the sizes of the inputs."""

from importlib.metadata import version

import litert_torch
import torch
from exchange import Arrays, Run, do_job


def load(artifact: str, inputs: Arrays, names: list[str]) -> Run:
    module = torch.export.load(artifact).module()
    model = litert_torch.convert(module, (torch.from_numpy(inputs["image"]),))
    return lambda given: model(given["image"])


do_job(load, version("litert-torch"), each_size=True)
