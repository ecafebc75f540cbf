"""The coarse-to-fine schedule in an ONNX graph: `core.multiscale.schedule`."""

import math
from dataclasses import dataclass

import numpy as np
import spox.opset.ai.onnx.v18 as op
from numpy.typing import NDArray

from core.config.transfer_config import MAX_IMAGE_SIZE, TransferConfig
from core.network.architecture import MIN_SIDE
from export.graph.values import Value, maximum, minimum, where


@dataclass(frozen=True)
class GraphScale:
    """One scale; all attributes are int64 () except for the factors of weights, float32 ()."""

    height: Value
    width: Value
    style_height: Value
    style_width: Value
    padding: Value
    last_evaluation: Value
    content_weight_scale: Value
    tv_weight_scale: Value


@dataclass(frozen=True)
class GraphSchedule:
    """All scales; the sides are int64 vectors, from fine to coarse, longer than the number of scales.

    Attributes:
        count: The number of scales, int64 ().
        evaluations: The evaluations of all scales, int64 ().
    """

    heights: Value
    widths: Value
    style_heights: Value
    style_widths: Value
    count: Value
    evaluations: Value
    config: TransferConfig

    @classmethod
    def build(
        cls,
        content: tuple[Value, Value],
        style: tuple[Value, Value],
        image_size: Value,
        evaluations: Value,
        config: TransferConfig,
    ) -> "GraphSchedule":
        """Return the schedule for images of these heights and widths, int64 ().

        The sides may be smaller than the network can read: see `is_large_enough`.
        """
        final = _fit(*content, image_size, config)
        divisors = _divisors(config)
        heights, widths = (_divided(side, divisors) for side in final)
        style_heights, style_widths = (
            _divided(_divided(side, np.array([1 / config.style_scale])).reshape(), divisors)
            for side in _fit(*style, image_size, config)
        )
        shortest = minimum(heights, widths, style_heights, style_widths)
        numbers = Value.constant(np.arange(len(divisors)), np.int64)
        fits = shortest >= MIN_SIDE
        fits &= numbers < config.scales if config.scales else maximum(heights, widths) >= config.min_scale_size
        refused = Value(op.cumsum((~(fits | numbers.equals(0))).cast(np.int64).var, op.const(0)))
        count = minimum(refused.equals(0).cast(np.int64).sum(), evaluations)
        return cls(heights, widths, style_heights, style_widths, count, evaluations, config)

    @property
    def is_large_enough(self) -> Value:
        """Whether the network can read both images at their final size, bool ()."""
        sides = (self.heights, self.widths, self.style_heights, self.style_widths)
        return minimum(*(side.take(0) for side in sides)) >= MIN_SIDE

    def scale(self, index: Value) -> GraphScale:
        """Return a scale by its index, int64 (), from coarse to fine."""
        config, level = self.config, self.count - 1 - index
        height, width, style_height, style_width = (
            sides.take(level) for sides in (self.heights, self.widths, self.style_heights, self.style_widths)
        )
        shortest = minimum(height, width, style_height, style_width)
        share = self.evaluations / maximum(self.count, _int(1))
        factors = Value.constant(_divisors(config), np.float32)
        longest = maximum(self.heights.take(0), self.widths.take(0)).cast(np.float32)
        relative = config.reference_size / longest if config.reference_size else longest * 0 + 1
        reduction = factors.take(level) * relative
        return GraphScale(
            height,
            width,
            style_height,
            style_width,
            padding=minimum(shortest - 1, _int(config.padding)),
            last_evaluation=where(level.equals(0), self.evaluations, share * (index + 1)),
            content_weight_scale=reduction**config.content_scaling,
            tv_weight_scale=reduction**config.tv_scaling,
        )


def _divisors(config: TransferConfig) -> NDArray[np.float64]:
    """Return the divisors of all scales that an image of `MAX_IMAGE_SIZE` can have."""
    count = math.ceil(math.log(MAX_IMAGE_SIZE / MIN_SIDE) / math.log(config.scale_factor)) + 1
    return config.scale_factor ** np.arange(count, dtype=np.float64)


def _fit(height: Value, width: Value, bound: Value, config: TransferConfig) -> tuple[Value, Value]:
    """Return the sides with the long side at most `bound`, or the short side equal to it, as the configuration says."""
    long_side, short_side = maximum(height, width, _int(1)), maximum(minimum(height, width), _int(1))
    if config.image_size_side == "short":
        return _rounded(height * bound, short_side), _rounded(width * bound, short_side)
    bound = minimum(bound, long_side)
    return _rounded(height * bound, long_side), _rounded(width * bound, long_side)


def _rounded(dividend: Value, divisor: Value) -> Value:
    return (dividend.cast(np.float32) / divisor.cast(np.float32)).round().cast(np.int64)


def _divided(side: Value, divisors: NDArray[np.float64]) -> Value:
    return (side.cast(np.float32) / Value.constant(divisors, np.float32)).round().cast(np.int64)


def _int(number: int) -> Value:
    return Value.constant(number, np.int64)
