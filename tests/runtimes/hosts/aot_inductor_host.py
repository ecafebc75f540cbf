"""AOTInductor: native code, compiled from an exported program."""

import tempfile
from pathlib import Path

import torch
from exchange import Arrays, Run, do_job


def load(artifact: str, inputs: Arrays, names: list[str]) -> Run:
    program = torch.export.load(artifact)
    with tempfile.TemporaryDirectory() as folder:
        package = str(Path(folder) / "extractor.pt2")
        torch._inductor.aoti_compile_and_package(program, package_path=package)
        module = torch._inductor.aoti_load_package(package)

    def run(given: Arrays) -> dict:
        return {name: values.numpy() for name, values in module(torch.from_numpy(given["image"])).items()}

    return run


do_job(load, torch.__version__)
