"""What workloads are compared with before they are timed: eager PyTorch, exact where that takes no minutes."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from core.objective.objective import ReferenceObjective, compute_targets

from bench.machine import exactly
from bench.suites.cases import CONFIG, TAPS, Case, blend, picture
from core.errors import StyleTransferError
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import load_weights
from core.objective.weights import LossWeights
from export.verify.parity import relative_l2

ALLOWED = {"fp32": 5e-3, "tf32": 2e-2, "bf16": 1e-1, "fp16": 2e-2}
"""Relative L2 difference from the reference beyond which something is not slow or fast but wrong.

In float32 one ReLU or maximum that flips already moves a gradient by up to 2e-3.
"""

EXACT_PIXELS = 256 * 256
"""Up to this size the reference on a CPU is float64; above, where that would take minutes, eager float32."""

CHECKED_PIXELS = 1024 * 1024
"""Up to this size outputs are compared; above, the memory would not hold the reference."""


def require_features(case: Case, precision: str, features: Mapping[str, Any]) -> None:
    """Compare the features of the extractor's workload with the reference; see `_require_equal`."""
    if case.pixels <= CHECKED_PIXELS:
        _require_equal(case, precision, features, _features(case.device, case.width, case.height))


def require_evaluation(case: Case, precision: str, loss: float, gradient: Any) -> None:
    """Compare loss and gradient of the objective's workload with the reference; see `_require_equal`."""
    if case.pixels <= CHECKED_PIXELS:
        actual = {"loss": np.array(loss), "gradient": gradient}
        _require_equal(case, precision, actual, _evaluation(case.device, case.width, case.height))


@cache
def _features(device: str, width: int, height: int) -> dict[str, Any]:
    extractor, dtype = _extractor(device, width * height)
    with torch.no_grad(), exactly():
        features = extractor(torch.from_numpy(picture(width, height, seed=0)).to(device, dtype))
    return {tap: _array(values) for tap, values in features.items()}


@cache
def _evaluation(device: str, width: int, height: int) -> dict[str, Any]:
    extractor, dtype = _extractor(device, width * height)
    terms = LossWeights.of(CONFIG, load_weights(CONFIG.arch).preprocessing.activation_scale)
    pictures = [picture(width, height, seed) for seed in (0, 1)]
    content, style, image = (torch.from_numpy(pixels).to(device, dtype) for pixels in (*pictures, blend(*pictures)))
    with exactly():
        there = ReferenceObjective(extractor, compute_targets(extractor, content, style, terms), terms)(image)
    return {"loss": np.array(there.loss), "gradient": _array(there.gradient)}


def _extractor(device: str, pixels: int) -> tuple[VGGFeatures, torch.dtype]:
    dtype = torch.float64 if device == "cuda" or pixels <= EXACT_PIXELS else torch.float32
    return load_vgg_features(load_weights(CONFIG.arch), TAPS, device=device).to(dtype), dtype


def _array(values: Any) -> Any:
    return values.detach().float().cpu().numpy() if isinstance(values, torch.Tensor) else values


def _require_equal(case: Case, precision: str, actual: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise StyleTransferError if a name is missing, or an array differs by more than the precision allows."""
    if actual.keys() != expected.keys():
        raise StyleTransferError(f"{case.backend} returns {', '.join(actual)}, expected {', '.join(expected)}")
    for name, values in expected.items():
        difference = relative_l2(np.asarray(_array(actual[name]), np.float64), np.asarray(values, np.float64))
        if not difference <= ALLOWED[precision]:
            raise StyleTransferError(
                f"{case.backend} is wrong, so its speed means nothing: {name} differs by {difference:.1e} (relative "
                f"L2) at {case.width} x {case.height} on {case.device}, where {ALLOWED[precision]:.0e} is allowed"
            )
