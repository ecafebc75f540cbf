"""Workload of the suite `extractor`: one forward pass of VGG-19 with the default taps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench.machine import supported_precisions
from bench.suites.cases import CONFIG, TAPS, Case, Unavailable, Workload, count_flop, synthetic_image
from bench.suites.exported import NO_CUDA_PROVIDER, exported_artifact
from bench.suites.reference import check_features
from core.arrays import Pixels
from core.artifacts.extractors import open_extractor
from core.artifacts.onnx_session import CUDA
from core.network.vgg import load_vgg_features
from core.network.weights import load_weights


@dataclass(frozen=True)
class EagerOptions:
    """How PyTorch runs the extractor."""

    precision: str = "fp32"
    channels_last: bool = False
    compiled: bool = False


EAGER: Mapping[str, EagerOptions] = {
    "eager": EagerOptions(),
    "channels_last": EagerOptions(channels_last=True),
    "tf32": EagerOptions("tf32", channels_last=True),
    "bf16": EagerOptions("bf16", channels_last=True),
    "fp16": EagerOptions("fp16", channels_last=True),
    "compiled": EagerOptions(channels_last=True, compiled=True),
    "compiled_bf16": EagerOptions("bf16", channels_last=True, compiled=True),
}
ARTIFACTS: Mapping[str, str] = {"torchscript": "extractor.pt", "onnxruntime": "extractor.onnx"}
EXTRACTORS = (*EAGER, *ARTIFACTS)


def extractor_workload(case: Case, artifacts: Path) -> Workload:
    """Prepare a forward pass by `case.backend`, one of `EXTRACTORS`."""
    pixels = synthetic_image(case.width, case.height, seed=0)
    options = EAGER.get(case.backend, EagerOptions())
    if case.backend in ARTIFACTS:
        call = _artifact_call(exported_artifact(artifacts, ARTIFACTS[case.backend]), pixels, case.device)
    else:
        call = _eager_call(options, pixels, case.device)
    return Workload(
        call,
        lambda features: check_features(case, options.precision, features),
        options.precision,
        flop=count_flop(case.width, case.height, gradient=False),
    )


def _eager_call(options: EagerOptions, pixels: Pixels, device: str) -> Callable[[], Any]:
    if options.precision not in supported_precisions(device):
        raise Unavailable(f"this machine's {device} has no instructions for {options.precision}")
    extractor: Any = load_vgg_features(load_weights(CONFIG.arch), TAPS, device=device)
    image = torch.from_numpy(pixels).to(device)
    if options.channels_last:
        extractor = extractor.to(memory_format=torch.channels_last)
        image = image.contiguous(memory_format=torch.channels_last)
    if options.compiled:
        extractor = torch.compile(extractor, dynamic=False)
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(options.precision)

    def call() -> Any:
        flags = torch.backends.cudnn.flags(enabled=True, allow_tf32=options.precision == "tf32")
        with flags, torch.no_grad(), torch.autocast(device, half or torch.bfloat16, enabled=half is not None):
            return extractor(image)

    if options.compiled:
        _compile(call)
    return call


def _compile(call: Callable[[], Any]) -> None:
    """Run the compiled extractor once; raise Unavailable if there is no C++ compiler."""
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        call()
    except Exception as error:
        # torch.compile wraps the error in one or two exceptions of its own.
        causes = (error, error.__cause__, getattr(error, "inner_exception", None))
        if any(isinstance(cause, InvalidCxxCompiler) for cause in causes):
            raise Unavailable("torch.compile finds no C++ compiler on this machine: install g++") from error
        raise


def _artifact_call(path: Path, pixels: Pixels, device: str) -> Callable[[], Any]:
    extractor = open_extractor(path, device)
    if device == "cuda" and path.suffix == ".onnx" and extractor.provider != CUDA:
        raise Unavailable(NO_CUDA_PROVIDER)
    if path.suffix == ".onnx":
        return lambda: extractor(pixels)
    image = torch.from_numpy(pixels).to(device)

    def call() -> Any:
        with torch.no_grad():
            return extractor(image)

    return call
