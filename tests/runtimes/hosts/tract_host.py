"""tract, an inference engine in Rust."""

from importlib.metadata import version

import onnx
import tract
from exchange import Arrays, Run, do_job


def load(artifact: str, inputs: Arrays, names: list[str]) -> Run:
    graph = onnx.load(artifact).graph  # tract names the outputs after their nodes
    order, declared = ([value.name for value in values] for values in (graph.input, graph.output))
    model = tract.onnx().load(artifact)
    # Named sides may have any length, but tract does not read names such as "height // 4".
    for index, name in enumerate(order if len(order) > 1 else ()):
        model.set_input_fact(index, ",".join(map(str, (*inputs[name].shape, "f32"))))
    runnable = model.into_model().into_runnable()

    def run(given: Arrays) -> dict:
        outputs = runnable.run([given[name] for name in order])
        return dict(zip(declared, (output.to_numpy() for output in outputs), strict=True))

    return run


do_job(load, version("tract"), each_size=True)
