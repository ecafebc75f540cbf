"""The backend without PyTorch: ONNX Runtime or OpenVINO evaluates an exported objective."""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.arrays import Array, Pixels, Size
from core.artifacts.extractors import OnnxExtractor, TorchExtractor, check_matches_config, open_extractor
from core.artifacts.manifest import Manifest, read_manifest
from core.artifacts.onnx_session import CPU, CUDA, provider_of, run_session
from core.artifacts.runtimes import Execution
from core.config.style_losses import style_loss_spec
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.memory.plan import Memory, Plan, plan_memory
from core.objective.weights import LossWeights
from core.optim.minimize import minimize
from core.optim.types import Evaluation, Objective, Step, WeightedObjective
from core.styles import StyleExemplar

Features = NDArray[np.float32]
ExtractFeatures = Callable[[Pixels], Mapping[str, Features]]
"""Returns the features (1, C, h, w) of an image (1, 3, H, W), RGB in [0, 1], by tap."""

CONTENT, GRAM = "content/{}", "gram/{}"
"""The names of the targets of a tap in the graph."""


class OnnxBackend:
    """Evaluates the objective that `python -m export objective` wrote to a file."""

    def __init__(self, path: str | os.PathLike[str], extract_features: ExtractFeatures, config: TransferConfig) -> None:
        """Open the objective at `path`.

        `extract_features` computes the features of the targets: an extractor of `core.artifacts.extractors`, or
        anything else that runs the same network.

        Raises:
            UsageError: The artifact is damaged, or belongs to another network or to other layers than `config` names.
            StyleTransferError: The device is missing.
        """
        self.manifest = read_manifest(path, kind="objective")
        check_objective(path, self.manifest, config)
        if isinstance(extract_features, OnnxExtractor | TorchExtractor):
            _check_same_network(self.manifest, extract_features.manifest)
        self.loss_weights = LossWeights.of(config, self.manifest.activation_scale)
        self._path, self._extract_features, self._config = Path(path), extract_features, config
        self._execution = Execution(config.runtime, "fp32" if config.precision == "auto" else config.precision)
        self._session = self._execution.open(path, config.device)
        self.provider = provider_of(self._session)
        if config.device not in ("auto", "cpu") and self.provider == CPU:
            raise StyleTransferError(
                f"ONNX Runtime finds no {config.device} device on this machine: use --device auto or --device cpu"
            )

    def plan(self, size: Size, style_size: Size) -> Plan:
        """Return the plan for the whole image at once, the only one that the artifact supports, without a check."""
        return plan_memory(size, style_size, self._config, Memory(math.inf))

    def to_array(self, pixels: Pixels, plan: Plan) -> Pixels:
        """Return the image unchanged: the optimiser takes NumPy arrays."""
        return pixels

    def to_pixels(self, array: Pixels) -> Pixels:
        """Return the array unchanged."""
        return array

    def objective(
        self, content: Pixels, exemplars: Sequence[StyleExemplar], plan: Plan, *, image: Pixels | None = None
    ) -> "OnnxObjective":
        """Compute the targets and return the objective (see `core.backends.base.Backend`).

        Raises:
            UsageError: There are several styles, or one has a mask: the graph takes one Gram matrix per layer.
        """
        exemplar, *others = exemplars
        if others or exemplar.mask is not None or exemplar.style_mask is not None:
            raise UsageError(
                "an exported objective supports one style for the whole image: remove the other styles, regions and "
                "style masks, or --objective"
            )
        features = self._extract_features(content)
        targets = {CONTENT.format(tap): features[tap] for tap in self.manifest.content_taps}
        del features
        areas = [pixels.shape[2] * pixels.shape[3] for pixels in exemplar.images]
        for area, pixels in zip(areas, exemplar.images, strict=True):
            style_features = self._extract_features(pixels)
            for tap in self.manifest.style_taps:
                share = np.float32(area / sum(areas)) * gram(style_features[tap])
                targets[GRAM.format(tap)] = targets.get(GRAM.format(tap), 0) + share
        return OnnxObjective(self._session, self.manifest, targets, self.loss_weights)

    def minimize(
        self,
        objective: WeightedObjective,
        compose: Callable[[Objective], Objective],
        start: Array | Step,
        *,
        evaluations: int,
        plan: Plan,
        resumable: bool,
    ) -> Iterator[Step]:
        """Minimise the objective and yield every step (see `core.backends.base.Backend`)."""
        return minimize(compose(objective), start, evaluations=evaluations, config=self._config, history=plan.history)

    def describe(self) -> Mapping[str, Any]:
        """Return the artifact, what executes it, and its weights for the run record."""
        extractor = self._extract_features
        runs_on = extractor.provider if isinstance(extractor, OnnxExtractor | TorchExtractor) else "PyTorch"
        return {
            "name": self._execution.runtime,
            self._execution.runtime: self._execution.version,
            "device": "cuda" if self.provider == CUDA else "cpu",
            "provider": self.provider,
            "precision": self._execution.precision,
            "objective": str(self._path.resolve()),
            "extractor_runs_on": runs_on,
            "weights": dict(self.manifest.weights),
        }


class OnnxObjective:
    """An objective graph with its targets: features (1, C, h, w) by content tap, Gram matrices by style tap."""

    def __init__(
        self, session: Any, manifest: Manifest, targets: Mapping[str, NDArray[np.float32]], weights: LossWeights
    ) -> None:
        self._session, self._manifest, self._targets, self._weights = session, manifest, targets, weights
        self._inputs = {
            **targets,
            "content_weights": np.array([weights.content[tap] for tap in manifest.content_taps], np.float32),
            "style_weights": np.array([weights.style[tap] for tap in manifest.style_taps], np.float32),
            "tv_weight": np.array([weights.tv], np.float32),
        }
        self._parts = ("content", "style", "tv") if weights.tv else ("content", "style")

    def __call__(self, image: Pixels) -> Evaluation:
        """Evaluate at `image` (1, 3, H, W), RGB in [0, 1], with the size of the content image."""
        inputs = {"image": np.asarray(image, np.float32), **self._inputs}
        values = run_session(self._session, ("loss", "gradient", *self._parts), inputs)
        return Evaluation(
            float(values["loss"]), values["gradient"], {name: float(values[name]) for name in self._parts}
        )

    def scaled(self, *, content: float = 1.0, style: float = 1.0) -> "OnnxObjective":
        """Return the objective with the weights of content and style multiplied; the targets stay the same."""
        weights = self._weights.scaled(content=content, style=style)
        return OnnxObjective(self._session, self._manifest, self._targets, weights)


def gram(features: Features) -> Features:
    """Return the Gram matrix (1, C, C) of features (1, C, h, w): `core.objective.gram.gram` in NumPy."""
    flat = features.reshape(*features.shape[:2], -1)
    product: Features = flat @ flat.transpose(0, 2, 1) / np.float32(flat.shape[2])
    return product


def features_for(config: TransferConfig) -> ExtractFeatures:
    """Return what computes the features of the targets: the extractor artifact of `config`, else PyTorch.

    An extractor computes in fp32 in every precision of `config`, because the targets are computed once.

    Raises:
        UsageError: The artifact is damaged, or belongs to another network or to other layers than `config` names.
    """
    if config.extractor:
        extractor = open_extractor(config.extractor, config.device, execution=Execution(config.runtime))
        check_matches_config(config.extractor, extractor.manifest, config)
        return extractor
    from core.backends.torch_backend import TorchBackend  # not needed where there is an artifact

    return TorchBackend(config).features


def check_objective(path: str | os.PathLike[str], manifest: Manifest, config: TransferConfig) -> None:
    """Check that the objective at `path` can serve a run with `config`.

    Raises:
        UsageError: Its layers, its network or its loss differ.
    """
    if not style_loss_spec(config.style_loss).exportable:
        raise UsageError(
            f"{path} does not support --style-loss {config.style_loss}: use the loss that it was exported with, or "
            "remove --objective"
        )
    for flag, held, asked in (
        ("--content-layers", manifest.content_taps, config.content_layers),
        ("--style-layers", manifest.style_taps, config.style_layers),
    ):
        if set(held) != set(asked):
            raise UsageError(
                f"{path} was exported with {flag} {','.join(held)}, but this run uses {','.join(asked)}: "
                f"add {flag} {','.join(held)}, or export the objective again"
            )
    check_matches_config(path, manifest, config)


def _check_same_network(objective: Manifest, extractor: Manifest) -> None:
    """Raise UsageError if the extractor and the objective were exported from different networks."""
    for what in ("arch", "pooling", "preprocessing", "weights"):
        ours, theirs = getattr(objective, what), getattr(extractor, what)
        ours, theirs = (of["sha256"] if what == "weights" else of for of in (ours, theirs))
        if ours != theirs:
            raise UsageError(
                f"the objective was exported with {what} {ours:.12}, the extractor with {what} {theirs:.12}: export "
                "both from the same network"
            )
    if lacking := [tap for tap in objective.taps if tap not in extractor.taps]:
        raise UsageError(
            f"the extractor lacks {', '.join(lacking)}, which the objective needs: export one with these layers"
        )
