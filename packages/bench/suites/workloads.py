"""What is measured: every way of running the extractor, of evaluating the objective, and of taking a step."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.machine import precisions_of
from bench.suites.cases import CONFIG, TAPS, Case, Unavailable, Work, blend, flop_of, picture
from bench.suites.reference import require_evaluation, require_features
from core.arrays import Pixels
from core.artifacts.extractors import open_extractor
from core.artifacts.onnx_session import CUDA
from core.backends.base import default_backend
from core.errors import StyleTransferError
from core.multiscale.schedule import build_schedule
from core.network.vgg import load_vgg_features
from core.network.weights import load_weights
from core.optim import lbfgs_cuda as resident
from core.optim.adam import adam
from core.optim.lbfgs import lbfgs
from core.optim.types import Evaluation, Step
from core.runs.progress import Result
from core.style_transfer import stylize

NO_CUDA_PROVIDER = "ONNX Runtime has no CUDA provider that works on this machine"


def prepare(case: Case, artifacts: Path) -> Work:
    """Make a workload ready; `artifacts` is a folder where what it exports is kept for the next one.

    Raises:
        Unavailable: This machine cannot run it.
    """
    return SUITES[case.suite](case, artifacts)


# --- The extractor, forward


@dataclass(frozen=True)
class _Eager:
    """How PyTorch runs the extractor."""

    precision: str = "fp32"
    channels_last: bool = False
    compiled: bool = False


EAGER: Mapping[str, _Eager] = {
    "eager": _Eager(),
    "channels_last": _Eager(channels_last=True),
    "tf32": _Eager("tf32", channels_last=True),
    "bf16": _Eager("bf16", channels_last=True),
    "fp16": _Eager("fp16", channels_last=True),
    "compiled": _Eager(channels_last=True, compiled=True),
    "compiled_bf16": _Eager("bf16", channels_last=True, compiled=True),
}
ARTIFACTS: Mapping[str, str] = {"torchscript": "extractor.pt", "onnxruntime": "extractor.onnx"}
EXTRACTORS = (*EAGER, *ARTIFACTS)


def _extractor(case: Case, artifacts: Path) -> Work:
    pixels = picture(case.width, case.height, seed=0)
    how = EAGER.get(case.backend, _Eager())
    if case.backend in ARTIFACTS:
        call = _from_artifact(artifact(artifacts, ARTIFACTS[case.backend]), pixels, case.device)
    else:
        call = _in_pytorch(how, pixels, case.device)

    precision = how.precision
    return Work(
        call,
        lambda features: require_features(case, precision, features),
        precision,
        flop=flop_of(case.width, case.height, gradient=False),
    )


def _in_pytorch(how: _Eager, pixels: Pixels, device: str) -> Callable[[], Any]:
    if how.precision not in precisions_of(device):
        raise Unavailable(f"this machine's {device} has no instructions for {how.precision}")
    extractor: Any = load_vgg_features(load_weights(CONFIG.arch), TAPS, device=device)
    image = torch.from_numpy(pixels).to(device)
    if how.channels_last:
        extractor = extractor.to(memory_format=torch.channels_last)
        image = image.contiguous(memory_format=torch.channels_last)
    if how.compiled:
        extractor = torch.compile(extractor, dynamic=False)
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(how.precision)

    def call() -> Any:
        flags = torch.backends.cudnn.flags(enabled=True, allow_tf32=how.precision == "tf32")
        with flags, torch.no_grad(), torch.autocast(device, half or torch.bfloat16, enabled=half is not None):
            return extractor(image)

    if how.compiled:
        _require_compiler(call)
    return call


def _require_compiler(call: Callable[[], Any]) -> None:
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        call()
    except Exception as error:
        # The missing compiler arrives wrapped in one or two exceptions of the compiler's own.
        causes = (error, error.__cause__, getattr(error, "inner_exception", None))
        if any(isinstance(cause, InvalidCxxCompiler) for cause in causes):
            raise Unavailable("torch.compile finds no C++ compiler on this machine: install g++") from error
        raise


def _from_artifact(path: Path, pixels: Pixels, device: str) -> Callable[[], Any]:
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


# --- The objective, forward and back

OBJECTIVES: Mapping[str, Mapping[str, str]] = {
    "eager": {"precision": "fp32"},
    "fused": {"precision": "fp32"},
    "fused_tf32": {"precision": "tf32"},
    "fused_bf16": {"precision": "bf16"},
    "fused_fp16": {"precision": "fp16"},
    "torchscript": {"extractor": "extractor.pt"},
    "onnxruntime": {"objective": "objective.onnx"},
}
"""The options of a run that choose how the objective is computed; of the values, files are artifacts.

"eager" is the plain network by autograd, as the toolkit's peers have it; "default" stands for a run without options.
"""


def _objective(case: Case, artifacts: Path) -> Work:
    options = {
        key: str(artifact(artifacts, value)) if "." in value else value
        for key, value in OBJECTIVES.get(case.backend, {}).items()
    }
    if options.get("precision", "fp32") not in precisions_of(case.device):
        raise Unavailable(f"this machine's {case.device} has no instructions for {options['precision']}")
    config = CONFIG.with_options(device=case.device, **options)
    backend: Any = default_backend(config)
    if case.backend == "eager":
        backend.extractor = load_vgg_features(load_weights(CONFIG.arch), TAPS, device=case.device)
    if case.device == "cuda" and getattr(backend, "provider", CUDA) != CUDA:
        raise Unavailable(NO_CUDA_PROVIDER)
    content, style = (picture(case.width, case.height, seed) for seed in (0, 1))
    objective = backend.objective(content, style)
    image = backend.to_array(blend(content, style))
    precision = backend.describe().get("precision", "fp32")
    return Work(
        lambda: objective(image),
        lambda there: require_evaluation(case, precision, there.loss, there.gradient),
        precision,
        flop=flop_of(case.width, case.height, gradient=True),
    )


# --- The optimiser's own work


def _optimiser(case: Case, artifacts: Path) -> Work:
    """One step from a full memory, of an objective that costs next to nothing: half the squares of weighted values."""
    kind, _, arrays = case.backend.partition("-")
    if arrays == "numpy" and case.device != "cpu":
        raise Unavailable("NumPy computes on the CPU only")
    shape = (1, 3, case.height, case.width)
    generator = np.random.default_rng(0)
    # So unevenly weighted that the run is nowhere near its end when it is measured.
    weights = np.float32(10) ** generator.uniform(-3, 3, shape).astype(np.float32)
    values: list[Any] = [weights, *(generator.random(shape, dtype=np.float32) for _ in range(2))]
    if arrays == "torch":
        values = [torch.from_numpy(array).to(case.device) for array in values]
    weights, target, start = values

    def objective(image: Any) -> Evaluation:
        difference = image - target
        gradient = weights * difference
        loss = (gradient * difference).sum() / 2
        return Evaluation(loss if kind == "resident" else float(loss), gradient, {})

    steps = OPTIMISERS[case.backend](objective, start, evaluations=10**9)
    losses = [next(steps).loss for _ in range(CONFIG.history + 2)]

    def check(step: Any) -> None:
        if not step.loss <= losses[-1] < losses[0]:
            raise StyleTransferError(f"{case.backend} does not lower the loss: {losses[0]:g} became {step.loss:g}")

    return Work(lambda: next(steps), check)


OPTIMISERS: Mapping[str, Callable[..., Iterator[Step]]] = {
    "lbfgs-torch": lbfgs,
    "lbfgs-numpy": lbfgs,
    "resident-torch": resident.lbfgs,
    "adam-torch": adam,
}
"""What takes the steps, and of which arrays; "resident" decides on the device, for CUDA."""


# --- A whole painting


def _transfer(case: Case, artifacts: Path) -> Work:
    """So many evaluations as the backend's name says."""
    config = CONFIG.with_options(device=case.device, iterations=int(case.backend), image_size=case.width)
    content, style = (picture(case.width, case.height, seed)[0].transpose(1, 2, 0) for seed in (0, 1))
    scales = build_schedule((case.width, case.height), [(case.width, case.height)], config)
    flop = sum(scale.evaluations * flop_of(*scale.size, gradient=True) for scale in scales)

    def check(result: Result) -> None:
        first, last = result.losses[0]["loss"], result.record["delivered"]["loss"]
        if not last < first:
            raise StyleTransferError(f"the painting is no better than its start: loss {first:g} became {last:g}")

    return Work(
        lambda: stylize(content, style, config),
        check,
        evaluations=config.iterations,
        flop=flop / config.iterations,
    )


SUITES: Mapping[str, Callable[[Case, Path], Work]] = {
    "extractor": _extractor,
    "objective": _objective,
    "growth": _objective,
    "optimiser": _optimiser,
    "transfer": _transfer,
}

# --- Artifacts


def artifact(folder: Path, name: str) -> Path:
    """The artifact of that name in `folder`, exported (and verified) if it is not there yet."""
    path = folder / name
    if not path.exists():
        # Not where nothing is exported: what it imports would count as the workload's memory.
        from export.extractor import export_extractor
        from export.objective.graph import export_objective

        weights = load_weights(CONFIG.arch)
        if name.startswith("objective"):
            export_objective(path, weights, CONFIG.content_layers, CONFIG.style_layers)
        else:
            export_extractor(path, weights, TAPS, format="onnx" if path.suffix == ".onnx" else "torchscript")
    return path
