"""Painter artifacts: the whole optimisation as one ONNX graph, which a host calls until it is finished.

This module does not import PyTorch.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.arrays import Pixels
from core.artifacts.manifest import Manifest, read_manifest
from core.artifacts.onnx_session import provider_of, run_session
from core.artifacts.runtimes import ONNX_RUNTIME, Execution
from core.errors import StyleTransferError
from core.network.architecture import MIN_SIDE

PAINTER_OPTIONS = (
    *("content_layers", "style_layers", "content_weight", "style_weight", "tv_weight", "strength", "style_scale"),
    *("image_size", "image_size_side", "optimizer", "iterations", "learning_rate", "history", "init"),
    *("scales", "scale_factor", "min_scale_size", "reference_size", "content_scaling", "tv_scaling", "padding"),
)
"""The options of `core.config.transfer_config.TransferConfig` that a painter contains."""

INPUT_OPTIONS = {"image_size": "image_size", "iterations": "evaluations", "strength": "strength"}
"""Options that are inputs of a painter, and the names of the inputs; fixed weights leave no input for the strength."""

ImageFormat = Literal["uint8", "float"]
"""Format of images: "uint8" (H, W, 3) in 0…255, or "float" (1, 3, H, W) float32 in [0, 1]; always RGB."""

OUTPUTS = ("image", "next_state", "losses", "evaluations_made", "status")


class Status(IntEnum):
    """Values of the output `status`; all other outputs are empty if it is negative."""

    RUNNING = 0
    FINISHED = 1
    TOO_SMALL = -1
    BAD_SETTING = -2
    BAD_STATE = -3
    BAD_IMAGE = -4
    NOT_FINITE = -5

    @property
    def meaning(self) -> str:
        """What a host should do, or what is wrong."""
        return _MEANINGS[self]


_MEANINGS = {
    Status.RUNNING: "call again with next_state as state",
    Status.FINISHED: "the image is finished",
    Status.TOO_SMALL: f"an image has, at this image_size, a side below {MIN_SIDE} pixels",
    Status.BAD_SETTING: "image_size, evaluations, strength or passes is out of its range",
    Status.BAD_STATE: "the state belongs to other images or settings, or is damaged",
    Status.BAD_IMAGE: "a pixel is not in [0, 1]",
    Status.NOT_FINITE: "the loss at the initial image of a scale is not finite",
}


@dataclass(frozen=True)
class PainterStep:
    """What one call of a painter returns.

    Attributes:
        image: The best image so far, at its final size, in the format of the inputs.
        state: The state to continue from, float32 (n,).
        losses: The loss of each evaluation of the optimiser in this call.
        evaluations: Evaluations of the optimiser so far.
        finished: Whether this was the last call.
    """

    image: NDArray[Any]
    state: NDArray[np.float32]
    losses: NDArray[np.float32]
    evaluations: int
    finished: bool


class OnnxPainter:
    """A painter that ONNX Runtime or another runtime runs.

    Attributes: `manifest`; `provider`, the ONNX Runtime execution provider, or the name of the other runtime.
    """

    def __init__(self, path: str | os.PathLike[str], device: str = "auto", execution: Execution = ONNX_RUNTIME) -> None:
        """Open the painter at `path`. `execution` is what runs it.

        Raises:
            UsageError: The file is missing or damaged, or is another artifact.
            StyleTransferError: The runtime is not installed, or this machine does not support the precision.
        """
        self.manifest: Manifest = read_manifest(path, kind="painter")
        self._session = execution.open(path, device, control_flow=True)
        self.provider = provider_of(self._session)

    def paint(
        self,
        content: NDArray[Any],
        style: NDArray[Any],
        *,
        image_size: int | None = None,
        evaluations: int | None = None,
        strength: float | None = None,
        passes: int | None = None,
        state: NDArray[np.float32] | None = None,
    ) -> Iterator[PainterStep]:
        """Call the painter until it is finished, and yield every step.

        Args:
            content: The content image, of any size: uint8 (H, W, 3), or float32 (1, 3, H, W) in [0, 1], as the manifest
                says; always RGB.
            style: The style image, likewise.
            image_size: Bound of the long side of the output in pixels, or length of the short side, as the painter was
                exported; None for the value of the manifest.
            evaluations: Evaluations of the optimiser over all scales; likewise.
            strength: Style strength in [0, 1]; likewise.
            passes: Evaluations of the network in each call at most; None for one call for each scale. The result does
                not depend on it.
            state: The state of an earlier step of a run with the same images and settings; None for a new run.

        Raises:
            StyleTransferError: The painter refuses an image, a setting or the state, or memory is exhausted.
        """
        settings = {
            "image_size": _setting(image_size, np.int64),
            "evaluations": _setting(evaluations, np.int64),
            "strength": _setting(strength, np.float32),
            "passes": _setting(passes, np.int64),
        }
        inputs = {"content": content, "style": style} | settings
        inputs = {name: value for name, value in inputs.items() if name in self.manifest.inputs}
        current = np.zeros(0, np.float32) if state is None else state
        finished = False
        while not finished:
            found = run_session(self._session, OUTPUTS, inputs | {"state": current})
            status = Status(found["status"].item())
            if status < 0:
                raise StyleTransferError(f"the painter refuses its inputs: {status.meaning}")
            current, finished = found["next_state"], status == Status.FINISHED
            yield PainterStep(found["image"], current, found["losses"], found["evaluations_made"].item(), finished)


def as_bytes(pixels: Pixels) -> NDArray[np.uint8]:
    """Return an image (1, 3, H, W) in [0, 1] as (H, W, 3)."""
    levels: NDArray[np.uint8] = np.ascontiguousarray((pixels[0] * 255).round().astype(np.uint8).transpose(1, 2, 0))
    return levels


def as_float(image: NDArray[Any]) -> Pixels:
    """Return an image, uint8 (H, W, 3) or already float32, as (1, 3, H, W) float32 in [0, 1]."""
    if image.dtype == np.float32:
        return image
    pixels: Pixels = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
    return pixels


def _setting(value: float | None, dtype: Any) -> NDArray[Any]:
    """Return a vector of one element, or an empty one for the value in the manifest."""
    return np.array([] if value is None else [value], dtype)
