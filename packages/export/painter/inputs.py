"""The inputs of a painter: images, settings that a host may leave empty, and the state."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.artifacts.painter import ImageFormat, Status
from core.config.transfer_config import TransferConfig
from core.network.architecture import MIN_SIDE
from export.graph.values import Value, concatenated, int_vector, where
from export.io_spec import TensorSpec
from export.painter.schedule import GraphSchedule

MAX_COUNT = 2**24
"""Integers up to here are exact in float32, in which the state stores them."""

MAX_PASSES = 2**31 - 1


def painter_inputs(config: TransferConfig, pixels: ImageFormat) -> list[TensorSpec]:
    """Return the inputs of a painter; settings that a host may leave empty have at most one element."""
    specs = [_image_spec(name, prefix, pixels) for name, prefix in (("content", ""), ("style", "style_"))]
    settings = [
        (
            "image_size",
            "int64",
            f"{config.image_size_side} side of the output in pixels, by default {config.image_size}",
        ),
        ("evaluations", "int64", f"evaluations of the optimiser, by default {config.iterations}"),
        ("passes", "int64", "evaluations of the network in this call at most; by default to the end of a scale"),
    ]
    if config.normalized_strength is not None:
        settings.append(("strength", "float32", f"style strength in [0, 1], by default {config.normalized_strength:g}"))
    specs += [TensorSpec(name, (f"{name}_given",), meaning, dtype=dtype) for name, dtype, meaning in settings]
    return [*specs, TensorSpec("state", ("state_size",), "empty at first, then next_state of the call before")]


def _image_spec(name: str, prefix: str, pixels: ImageFormat) -> TensorSpec:
    height, width = f"{prefix}height", f"{prefix}width"
    if pixels == "float":
        return TensorSpec(name, (1, 3, height, width), "RGB in [0, 1], of any size")
    return TensorSpec(name, (height, width, 3), "RGB, of any size", dtype="uint8")


def painter_outputs(pixels: ImageFormat) -> list[TensorSpec]:
    """Return the outputs of a painter."""
    is_float = pixels == "float"
    shape = (1, 3, "output_height", "output_width") if is_float else ("output_height", "output_width", 3)
    statuses = "; ".join(f"{status.value}: {status.meaning}" for status in Status)
    return [
        TensorSpec(
            "image", shape, "the best image so far, at its final size", dtype="float32" if is_float else "uint8"
        ),
        TensorSpec("next_state", ("next_state_size",), "the state to continue from"),
        TensorSpec("losses", ("evaluations_of_call",), "the loss of each evaluation of the optimiser in this call"),
        TensorSpec("evaluations_made", (), "evaluations of the optimiser so far", dtype="int64"),
        TensorSpec("status", (), statuses, dtype="int64"),
    ]


@dataclass(frozen=True)
class PainterInputs:
    """The inputs as the graph uses them.

    Attributes:
        tensors: The inputs as the host gives them, by name.
        content: The content image (1, 3, H, W) float32 RGB in [0, 1].
        style: The style image (1, 3, h, w), likewise.
        image_size: Bound of the long side, or length of the short side, as the configuration says, int64 ().
        evaluations: Evaluations of the optimiser over all scales, int64 ().
        strength: Style strength in [0, 1], float32 (); None if the configuration has fixed weights.
        max_network_passes: Evaluations of the network in this call at most, int64 ().
        state: The state, float32 (n,), empty for a new run.
        pixels: Format of the images (see `ImageFormat`).
    """

    tensors: Mapping[str, Value]
    content: Value
    style: Value
    image_size: Value
    evaluations: Value
    strength: Value | None
    max_network_passes: Value
    state: Value
    pixels: ImageFormat

    @classmethod
    def of(cls, config: TransferConfig, pixels: ImageFormat) -> "PainterInputs":
        """Create the inputs; `config` has the values of settings that the host leaves empty."""
        specs = painter_inputs(config, pixels)
        tensors = {spec.name: Value.of_input(np.dtype(spec.dtype), spec.shape) for spec in specs}
        return cls(
            tensors,
            _as_float(tensors["content"]),
            _as_float(tensors["style"]),
            _setting(tensors["image_size"], config.image_size),
            _setting(tensors["evaluations"], config.iterations),
            _setting(tensors["strength"], config.normalized_strength) if "strength" in tensors else None,
            _setting(tensors["passes"], MAX_PASSES),
            tensors["state"],
            pixels,
        )

    def schedule(self, config: TransferConfig) -> GraphSchedule:
        """Return the schedule for these inputs."""
        return GraphSchedule.build(
            sides_of(self.content), sides_of(self.style), self.image_size, self.evaluations, config
        )

    def status(self, schedule: GraphSchedule) -> Value:
        """Return `Status.RUNNING`, or why images and settings are refused."""
        in_range = (
            (self.image_size >= MIN_SIDE)
            & (self.image_size <= MAX_COUNT)
            & (self.evaluations >= 1)
            & (self.evaluations <= MAX_COUNT)
            & (self.max_network_passes >= 0)
        )
        if self.strength is not None:
            in_range &= (self.strength >= 0) & (self.strength <= 1)
        status = status_value(Status.RUNNING)
        for image in (self.content, self.style) if self.pixels == "float" else ():
            in_box = (image >= 0) & (image <= 1)  # false for NaN
            status = where(in_box.all(), status, status_value(Status.BAD_IMAGE))
        status = where(schedule.is_large_enough, status, status_value(Status.TOO_SMALL))
        return where(in_range, status, status_value(Status.BAD_SETTING))

    def as_output(self, image: Value) -> Value:
        """Return an image (1, 3, H, W) in [0, 1] in the format of the inputs."""
        if self.pixels == "float":
            return image
        return (image.reshape(3, image.side(2), image.side(3)).transposed(1, 2, 0) * 255).round().cast(np.uint8)


def sides_of(image: Value) -> tuple[Value, Value]:
    """Return height and width of an image (1, 3, H, W), int64 ()."""
    return image.side(2), image.side(3)


def checksum(image: Value) -> Value:
    """Return a number below `MAX_COUNT`, int64 (), in which most images differ; exact, in any order of the sums."""
    levels = (image * 255).round().cast(np.int64).reshape(-1)
    return concatenated([levels, int_vector(0)]).sum() % MAX_COUNT  # old runtimes cannot sum no elements


def _as_float(image: Value) -> Value:
    """Return an image in either format as (1, 3, H, W) float32."""
    if image.dtype == np.float32:
        return image
    return (image.transposed(2, 0, 1).cast(np.float32) / 255).with_batch()


def _setting(given: Value, default: Any) -> Value:
    """Return the only element of a vector, or the default if it is empty."""
    return concatenated([given, Value.constant([default], given.dtype)]).take(0)


def status_value(status: Status) -> Value:
    """Return a status as a constant of the graph, int64 ()."""
    return Value.constant(int(status), np.int64)
