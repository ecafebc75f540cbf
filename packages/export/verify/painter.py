"""Verification of painters against whole runs of `core.style_transfer.stylize` in float32 and float64."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.arrays import Pixels
from core.artifacts.manifest import Manifest
from core.artifacts.painter import OnnxPainter, as_float
from core.artifacts.runtimes import ONNX_RUNTIME, Execution
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import Weights
from core.style_transfer import stylize
from export.io_spec import tolerances_of
from export.verify.parity import Comparison, ParityReport, one_thread
from export.verify.reference_backend import ReferenceBackend

EVALUATIONS = 6
"""Evaluations of a run: rounding errors grow from one to the next."""

PASSES = 3
"""Evaluations of the network in each call of a run that is divided."""


@dataclass(frozen=True)
class _Run:
    """The losses of all evaluations, and the image (1, 3, H, W) in [0, 1]."""

    losses: NDArray[np.floating[Any]]
    image: Pixels


def verify_painter(
    path: Path, manifest: Manifest, weights: Weights, execution: Execution = ONNX_RUNTIME
) -> ParityReport:
    """Compare the painter at `path` with whole runs on the CPU, one of a single scale and one of two, if it has two.

    `execution` is what runs the painter.

    Raises:
        StyleTransferError: The painter gives another result if its evaluations are divided among several calls.
    """
    painter = OnnxPainter(path, "cpu", execution)
    tolerances = tolerances_of(manifest, execution)
    losses = {"style_loss": manifest.style_loss, "content_detail": manifest.content_detail}
    network = {"arch": manifest.arch, "pooling": manifest.pooling, **losses}
    extractor = load_vgg_features(weights, manifest.taps, pooling=manifest.pooling)
    rows: list[Comparison] = []
    with one_thread():
        for content, style in _images(manifest.settings):
            config = TransferConfig(**{**manifest.settings, **network, "image_size": max(content.shape[:2])})
            config = config.with_options(iterations=EVALUATIONS)
            actual, divided = (_paint(painter, content, style, config, passes) for passes in (None, PASSES))
            if not np.array_equal(actual.image, divided.image):
                raise StyleTransferError(f"{path} gives another image if its evaluations are divided: export it again")
            single, exact = (
                _reference(extractor.to(dtype), content, style, config, manifest.activation_scale)
                for dtype in (torch.float32, torch.float64)
            )
            rows += _compare("{} x {}".format(*content.shape[:2]), actual, single, exact, tolerances)
    return ParityReport(tuple(rows))


def _images(settings: Mapping[str, Any]) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yield content and style images (H, W, 3): small ones, and ones that are large enough for two scales."""
    generator = np.random.default_rng(0)
    side = max(2 * settings["min_scale_size"], 64)
    for content, style in (((24, 33), (36, 28)), ((32, side), (36, side - 8))):
        yield tuple(generator.integers(0, 256, (*shape, 3), np.uint8) for shape in (content, style))  # type: ignore[misc]


def _paint(
    painter: OnnxPainter,
    content: NDArray[np.uint8],
    style: NDArray[np.uint8],
    config: TransferConfig,
    passes: int | None,
) -> _Run:
    is_float = painter.manifest.inputs["content"].startswith("float32")
    images = (as_float(content), as_float(style)) if is_float else (content, style)
    steps = painter.paint(*images, image_size=config.image_size, evaluations=config.iterations, passes=passes)
    losses: list[float] = []
    for step in steps:
        losses += step.losses.tolist()
    return _Run(np.array(losses), as_float(step.image))


def _reference(
    extractor: VGGFeatures,
    content: NDArray[np.uint8],
    style: NDArray[np.uint8],
    config: TransferConfig,
    activation_scale: float,
) -> _Run:
    backend = ReferenceBackend(extractor, config, activation_scale)
    result = stylize(content, style, config, backend=backend)
    return _Run(np.array(backend.losses), result.pixels)


def _compare(
    case: str, actual: _Run, single: _Run, exact: _Run, tolerances: Mapping[str, float]
) -> Iterator[Comparison]:
    runs = (actual, single, exact)
    made = [len(run.losses) for run in runs]
    if len(set(made)) > 1:
        raise StyleTransferError(f"the painter made {made[0]} evaluations of the optimiser instead of {made[1]}")
    yield Comparison.of("loss", case, *(run.losses for run in runs), limit=tolerances["loss"])
    yield Comparison.of("image", case, *(run.image for run in runs), limit=tolerances["image"])
