"""Exported programs of PyTorch: torch.export.load."""

import torch
from exchange import Arrays, Run, do_job


def load(artifact: str, inputs: Arrays, names: list[str]) -> Run:
    module = torch.export.load(artifact).module()

    @torch.no_grad()
    def run(given: Arrays) -> dict:
        return {name: values.numpy() for name, values in module(torch.from_numpy(given["image"])).items()}

    return run


do_job(load, torch.__version__)
