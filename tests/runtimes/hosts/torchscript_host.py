"""TorchScript in Python: torch.jit.load."""

import torch
from exchange import Arrays, Run, do_job


def load(artifact: str, inputs: Arrays, names: list[str]) -> Run:
    module = torch.jit.load(artifact)

    @torch.no_grad()
    def run(given: Arrays) -> dict:
        return {name: values.numpy() for name, values in module(torch.from_numpy(given["image"])).items()}

    return run


do_job(load, torch.__version__)
