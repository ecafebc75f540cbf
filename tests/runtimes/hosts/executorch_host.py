"""ExecuTorch with the XNNPACK delegate, for the sizes of the inputs."""

from importlib.metadata import version

import torch
from exchange import Arrays, Run, do_job
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from executorch.runtime import Runtime


def load(artifact: str, inputs: Arrays, names: list[str]) -> Run:
    module = torch.export.load(artifact).module()
    program = torch.export.export(module, (torch.from_numpy(inputs["image"]),))
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch()
    program = Runtime.get().load_program(lowered.buffer)

    def run(given: Arrays) -> list:
        method = program.load_method("forward")  # valid while the program exists
        return [values.numpy().copy() for values in method.execute([torch.from_numpy(given["image"])])]

    return run


do_job(load, version("executorch"), each_size=True)
