"""Workload of the suites `objective` and `growth`: one evaluation of loss and gradient."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.machine import supported_precisions
from bench.suites.cases import CONFIG, TAPS, Case, Unavailable, Workload, blend, count_flop, synthetic_image
from bench.suites.exported import NO_CUDA_PROVIDER, exported_artifact
from bench.suites.reference import check_evaluation
from core.arrays import size_of
from core.artifacts.onnx_session import CUDA
from core.backends.base import default_backend
from core.backends.loaded_network import LoadedNetwork
from core.backends.torch_backend import TorchBackend
from core.config.transfer_config import TransferConfig
from core.network.vgg import load_vgg_features
from core.network.weights import load_weights
from core.styles import StyleExemplar

OBJECTIVES: Mapping[str, Mapping[str, str]] = {
    "eager": {"precision": "fp32"},
    "fused": {"precision": "fp32"},
    "fused_tf32": {"precision": "tf32"},
    "fused_bf16": {"precision": "bf16"},
    "fused_fp16": {"precision": "fp16"},
    "torchscript": {"extractor": "extractor.pt"},
    "onnxruntime": {"objective": "objective.onnx"},
}
"""Configuration options of every measured variant; a file name stands for an exported artifact.

`Case.backend` names the variant; all but "onnxruntime" run in `TorchBackend`. "eager" evaluates the plain network by
autograd, as most other programs do. A name that is not listed, such as "default" of the suite `growth`, uses the
default configuration.
"""


def objective_workload(case: Case, artifacts: Path) -> Workload:
    """Prepare one evaluation by `case.backend`."""
    options = {
        key: str(exported_artifact(artifacts, value)) if "." in value else value
        for key, value in OBJECTIVES.get(case.backend, {}).items()
    }
    if options.get("precision", "fp32") not in supported_precisions(case.device):
        raise Unavailable(f"this machine's {case.device} has no instructions for {options['precision']}")
    config = CONFIG.with_options(device=case.device, **options)
    backend: Any = _eager_backend(config) if case.backend == "eager" else default_backend(config)
    if case.device == "cuda" and getattr(backend, "provider", CUDA) != CUDA:
        raise Unavailable(NO_CUDA_PROVIDER)
    content, style = (synthetic_image(case.width, case.height, seed) for seed in (0, 1))
    plan = backend.plan(size_of(content), size_of(style))
    objective = backend.objective(content, [StyleExemplar((style,))], plan)
    image = backend.to_array(blend(content, style), plan)
    precision = backend.describe().get("precision", "fp32")
    return Workload(
        lambda: objective(image),
        lambda evaluation: check_evaluation(case, precision, evaluation.loss, evaluation.gradient),
        precision,
        flop=count_flop(case.width, case.height, gradient=True),
    )


def _eager_backend(config: TransferConfig) -> TorchBackend:
    """Return the PyTorch backend with the network that autograd differentiates."""
    network = LoadedNetwork.load(config)
    eager = load_vgg_features(load_weights(config.arch), TAPS, device=network.device)
    return TorchBackend(config, replace(network, extractor=eager))
