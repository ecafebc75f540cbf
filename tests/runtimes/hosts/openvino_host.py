"""OpenVINO on the CPU; the argument is its inference precision, f32 or bf16."""

import openvino
from exchange import Arrays, Run, do_job, not_run


def load(artifact: str, inputs: Arrays, names: list[str], precision: str) -> Run:
    core = openvino.Core()
    if precision.upper().replace("F32", "FP32") not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        not_run(f"this CPU has no {precision} instructions")
    model = core.compile_model(artifact, "CPU", {"INFERENCE_PRECISION_HINT": precision})

    def run(given: Arrays) -> dict:
        outputs = model(dict(given))
        return {name: outputs[name] for name in names}

    return run


do_job(load, openvino.__version__.partition("-")[0])
