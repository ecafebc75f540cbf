"""Runs with a painter artifact, which contains the scales, the targets and the optimiser. Without PyTorch."""

from collections.abc import Generator, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from core.arrays import Pixels
from core.artifacts.content import warn_if_changed
from core.artifacts.extractors import check_losses, check_matches_config
from core.artifacts.manifest import Manifest
from core.artifacts.onnx_session import require_device
from core.artifacts.painter import INPUT_OPTIONS, PAINTER_OPTIONS, OnnxPainter, as_bytes, as_float
from core.artifacts.runtimes import Execution
from core.config.options import flag_of
from core.config.transfer_config import TransferConfig
from core.distributed import ProcessGroup
from core.errors import UsageError
from core.image.reading import LoadedImage
from core.installation import without_artifacts
from core.multiscale.schedule import Scale, fraction_done
from core.runs.checkpoint import Checkpoint, SavedRun
from core.runs.progress import Progress
from core.styles import StyleExemplar

PASSES = 5
"""Evaluations of the network between two reports of the progress."""


class PainterRunner:
    """Makes the steps of a run by calls of the painter that the configuration names."""

    def __init__(
        self, config: TransferConfig, schedule: Sequence[Scale], checkpoint: Checkpoint | None, group: ProcessGroup
    ) -> None:
        """Open the painter.

        Raises:
            UsageError: The painter is damaged, or does not support the run.
            StyleTransferError: The device is missing.
        """
        group.check_supports(config)
        if checkpoint:
            raise UsageError(f"a painter does not support --checkpoint: remove it, or {without_artifacts('--painter')}")
        assert config.painter
        self._path, self._config, self._schedule = Path(config.painter), config, schedule
        self._execution = Execution(config.runtime)
        self._painter = OnnxPainter(self._path, config.device, self._execution)
        require_device(self._painter.provider, config.device, without_artifacts("--painter"))
        self._manifest = self._painter.manifest
        check_painter(self._path, self._manifest, config)
        warn_if_changed(self._path, self._manifest, "its result")

    def describe(self) -> Mapping[str, Any]:
        """Return the painter, its execution provider and its weights for the run record."""
        return {
            "name": "painter",
            **self._execution.describe(self._painter.provider),
            "painter": str(self._path.resolve()),
            "weights": dict(self._manifest.weights),
        }

    def steps(
        self,
        content: LoadedImage,
        exemplars: Sequence[StyleExemplar],
        saved: SavedRun | None = None,
        *,
        resumable: bool = False,
    ) -> Generator[Progress]:
        """Call the painter until it is finished, and yield the progress after every call with an evaluation.

        The image of each has the final size.

        Raises:
            UsageError: There are several style images, or one has a mask.
        """
        style = _only_image(exemplars)
        images = [content.pixels, style] if self._takes_float else [as_bytes(content.pixels), as_bytes(style)]
        started, best, scale, state_size = perf_counter(), np.inf, 0, 0
        for step in self._painter.paint(
            *images,
            image_size=self._config.image_size,
            evaluations=self._config.iterations,
            strength=self._config.normalized_strength,
            passes=PASSES,
        ):
            if step.state.size != state_size:  # it contains images of the scale
                scale, state_size, best = scale + 1, step.state.size, np.inf
            if not step.losses.size:
                continue
            best = float(np.fmin(best, np.fmin.reduce(step.losses)))  # a rejected step may have the loss NaN
            yield Progress(
                scale=scale,
                scales=len(self._schedule),
                size=self._schedule[-1].size,
                evaluations=step.evaluations,
                total_evaluations=self._config.iterations,
                loss=best,
                parts={},
                seconds=perf_counter() - started,
                fraction=fraction_done(self._schedule, step.evaluations),
                resumed=False,
                _get_pixels=partial(as_float, step.image),
                _content_alpha=content.alpha,
            )

    @property
    def _takes_float(self) -> bool:
        return self._manifest.inputs["content"].startswith("float32")


def check_painter(path: str | PathLike[str], manifest: Manifest, config: TransferConfig) -> None:
    """Check that the painter at `path` can serve a run with `config`.

    Raises:
        UsageError: An option differs from those of the painter, or a painter does not support it.
    """
    check_losses(path, manifest, config)
    if "strength" in manifest.inputs and config.normalized_strength is None:
        raise UsageError(
            f"{path} was exported with a style strength, but this run has fixed weights: add --strength, or export the "
            "painter again"
        )
    unsupported = {
        "preserve_color": config.preserve_color != "none",
        "averaging": config.averaging > 0,
        "bit_depth": config.bit_depth == 16 and manifest.inputs["content"].startswith("uint8"),
    }
    for name, refused in unsupported.items():
        if refused:
            raise UsageError(
                f"{path} does not support {flag_of(name)} {getattr(config, name)}: remove the option, or "
                f"{without_artifacts('--painter')}"
            )
    check_matches_config(path, manifest, config)
    fixed = [name for name in PAINTER_OPTIONS if INPUT_OPTIONS.get(name) not in manifest.inputs]
    requested, settings = config.to_dict(), manifest.settings
    for name in fixed:
        exported, used = settings.get(name), requested[name]
        if exported != used:
            flag = flag_of(name)
            with_option = f"with the default {flag}" if exported is None else f"with {flag} {_as_text(exported)}"
            remedy = f"add {flag} {_as_text(exported)}" if used is None else "remove the option"
            raise UsageError(
                f"{path} was exported {with_option}, but this run uses "
                f"{'the default' if used is None else _as_text(used)}: {remedy}, or export the painter again"
            )


def _only_image(exemplars: Sequence[StyleExemplar]) -> Pixels:
    exemplar, *others = exemplars
    if others or len(exemplar.images) > 1 or exemplar.mask is not None or exemplar.style_mask is not None:
        raise UsageError(
            "a painter supports one style image for the whole image: remove the other styles, regions and style masks, "
            f"or {without_artifacts('--painter')}"
        )
    image: Pixels = exemplar.images[0]
    return image


def _as_text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
