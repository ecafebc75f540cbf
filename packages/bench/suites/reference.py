"""Correctness check of workloads against eager PyTorch."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch

from bench.machine import full_float32
from bench.suites.cases import CONFIG, TAPS, Case, blend, synthetic_image
from core.errors import StyleTransferError
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import load_weights
from core.objective.reference import ReferenceObjective
from core.objective.targets import compute_targets
from core.objective.tiled_extractor import TiledFeatureExtractor
from core.objective.weights import LossWeights
from core.styles import StyleExemplar
from export.verify.parity import relative_l2

TOLERANCE = {"fp32": 5e-3, "tf32": 2e-2, "bf16": 1e-1, "fp16": 2e-2}
"""Largest relative L2 error by precision. In float32 a single flipped ReLU or maximum moves a gradient by up to 2e-3.
"""

FLOAT64_PIXELS = 256 * 256
"""Largest image whose reference a CPU computes in float64, which would take minutes above; there it is float32."""

CHECKED_PIXELS = 1024 * 1024
"""Largest image whose output is checked; above, the reference would not fit in memory."""


def check_features(case: Case, precision: str, features: Mapping[str, Any]) -> None:
    """Compare the features of an extractor with the reference; raise StyleTransferError if they differ."""
    if case.pixels <= CHECKED_PIXELS:
        _check_close(case, precision, features, reference_features(case.device, case.width, case.height))


def check_evaluation(case: Case, precision: str, loss: float, gradient: Any) -> None:
    """Compare loss and gradient of an objective with the reference; raise StyleTransferError if they differ."""
    if case.pixels <= CHECKED_PIXELS:
        actual = {"loss": np.array(loss), "gradient": gradient}
        _check_close(case, precision, actual, reference_evaluation(case.device, case.width, case.height))


@cache
def reference_features(device: str, width: int, height: int) -> dict[str, Any]:
    """Return the features of the content image by tap."""
    extractor, dtype = _extractor(device, width * height)
    with torch.no_grad(), full_float32():
        features = extractor(torch.from_numpy(synthetic_image(width, height, seed=0)).to(device, dtype))
    return {tap: _to_numpy(values) for tap, values in features.items()}


@cache
def reference_evaluation(device: str, width: int, height: int) -> dict[str, Any]:
    """Return "loss" and "gradient" of the default objective at the blended image."""
    extractor, dtype = _extractor(device, width * height)
    weights = LossWeights.of(CONFIG, load_weights(CONFIG.arch).preprocessing.activation_scale)
    images = [synthetic_image(width, height, seed) for seed in (0, 1)]
    content, style, image = (torch.from_numpy(pixels).to(device, dtype) for pixels in (*images, blend(*images)))
    with full_float32():
        features = TiledFeatureExtractor.whole(extractor, extractor.arch, extractor.taps, device)
        targets = compute_targets(features, content, [StyleExemplar((style,))], weights)
        evaluation = ReferenceObjective(extractor, targets, weights)(image)
    return {"loss": np.array(evaluation.loss), "gradient": _to_numpy(evaluation.gradient)}


def _extractor(device: str, pixels: int) -> tuple[VGGFeatures, torch.dtype]:
    dtype = torch.float64 if device == "cuda" or pixels <= FLOAT64_PIXELS else torch.float32
    return load_vgg_features(load_weights(CONFIG.arch), TAPS, device=device).to(dtype), dtype


def _to_numpy(values: Any) -> Any:
    return values.detach().float().cpu().numpy() if isinstance(values, torch.Tensor) else values


def _check_close(case: Case, precision: str, actual: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise StyleTransferError if a name is missing or an array differs by more than the tolerance."""
    if actual.keys() != expected.keys():
        raise StyleTransferError(f"{case.backend} returns {', '.join(actual)}, expected {', '.join(expected)}")
    for name, values in expected.items():
        error = relative_l2(np.asarray(_to_numpy(actual[name]), np.float64), np.asarray(values, np.float64))
        if not error <= TOLERANCE[precision]:
            raise StyleTransferError(
                f"{case.backend} failed the correctness check ({name} at {case.width}x{case.height} on {case.device}: "
                f"relative L2 error {error:.1e}, allowed {TOLERANCE[precision]:.0e}); not timed"
            )
