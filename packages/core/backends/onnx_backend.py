"""The backend without PyTorch: ONNX Runtime or OpenVINO evaluates an exported objective."""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Array, Pixels, Size
from core.artifacts.content import warn_if_changed
from core.artifacts.extractors import (
    OnnxExtractor,
    TorchExtractor,
    check_losses,
    check_matches_config,
    open_extractor,
)
from core.artifacts.manifest import MASK_PREFIX, Manifest, read_manifest
from core.artifacts.onnx_session import provider_of, require_device, run_session
from core.artifacts.runtimes import Execution
from core.backends.onnx_targets import ExtractFeatures, Features, LayerFeatures, StyleTargets, style_targets
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.installation import has_torch, require_full, without_artifacts
from core.memory.plan import Memory, Plan, plan_memory
from core.objective.weights import LossWeights
from core.optim.minimize import minimize
from core.optim.types import Evaluation, Objective, Step, WeightedObjective
from core.styles import StyleExemplar

CONTENT, STYLE = "content/{}", "{}/{}"
"""The names of the targets of a tap in the graph; that of a style target starts with the style loss."""

MASK = MASK_PREFIX + "{}"
"""The name of the masks of the regions at a tap in the graph."""


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
        warn_if_changed(Path(path), self.manifest, "its loss and gradient")
        if isinstance(extract_features, OnnxExtractor | TorchExtractor):
            _check_same_network(self.manifest, extract_features.manifest)
        self.loss_weights = LossWeights.of(config, self.manifest.activation_scale)
        self._path, self._extract_features, self._config = Path(path), extract_features, config
        self._execution = Execution(config.runtime, "fp32" if config.precision == "auto" else config.precision)
        self._session = self._execution.open(path, config.device)
        self.provider = provider_of(self._session)
        require_device(self.provider, config.device, _without_objective())

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
        self,
        content: Pixels,
        exemplars: Sequence[StyleExemplar],
        plan: Plan,
        *,
        image: Pixels | None = None,
        separate_layers: bool = False,
    ) -> "OnnxObjective":
        """Compute the targets and return the objective (see `core.backends.base.Backend`).

        Raises:
            UsageError: A style has a region, and the graph has one target per layer, for the whole image.
        """
        if any(exemplar.mask is not None for exemplar in exemplars) and not self.manifest.has_regions:
            raise UsageError(
                f"{self._path} supports styles for the whole image only: export an objective with --regions, remove "
                f"the regions, or {_without_objective()}"
            )
        features = self._extract_features(content)
        targets = {tap: features[tap] for tap in self.manifest.content_taps}
        del features
        loss, taps, start = self.manifest.style_loss, self.manifest.style_taps, content if image is None else image
        styles = style_targets(
            loss, taps, exemplars, self._extract_features, content, start, separate_layers=separate_layers
        )
        return OnnxObjective(self._session, self.manifest, targets, styles, self.loss_weights)

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
            **self._execution.describe(self.provider),
            "precision": self._execution.precision,
            "objective": str(self._path.resolve()),
            "extractor_runs_on": runs_on,
            "weights": dict(self.manifest.weights),
        }


class OnnxObjective:
    """An objective graph with its targets.

    Several styles of the whole image have the same gradient as one with their mean target. The spread of their targets
    around it completes the loss.
    """

    def __init__(
        self, session: Any, manifest: Manifest, content: LayerFeatures, styles: StyleTargets, weights: LossWeights
    ) -> None:
        """`content` are the features (1, C, h, w) of the content image by tap."""
        self._session, self._manifest, self._weights = session, manifest, weights
        self._content, self._styles = content, styles
        self._spread = sum(weights.style[tap] * spread for tap, spread in styles.spreads.items())
        self._inputs = {
            **{CONTENT.format(tap): target for tap, target in content.items()},
            **{STYLE.format(manifest.style_loss, tap): target for tap, target in styles.targets.items()},
            "content_weights": np.array([weights.content[tap] for tap in manifest.content_taps], np.float32),
            "style_weights": self._style_weights(),
            "tv_weight": np.array([weights.tv], np.float32),
        }
        if manifest.has_regions:
            self._inputs |= {MASK.format(tap): mask for tap, mask in styles.masks.items()}
        self._parts = ("content", "style", "tv") if weights.tv else ("content", "style")

    def __call__(self, image: Pixels) -> Evaluation:
        """Evaluate at `image` (1, 3, H, W), RGB in [0, 1], with the size of the content image."""
        inputs = {"image": np.asarray(image, np.float32), **self._inputs}
        values = run_session(self._session, ("loss", "gradient", *self._parts), inputs)
        parts = {name: float(values[name]) for name in self._parts}
        parts["style"] += self._spread
        return Evaluation(float(values["loss"]) + self._spread, values["gradient"], parts)

    def _style_weights(self) -> Features:
        """Return the weights of m layers: (m,), with regions (R, m), and for `moments` (m, 2) or (R, m, 2)."""
        taps, styles = self._manifest.style_taps, self._styles
        weights = np.outer(styles.weights, np.array([self._weights.style[tap] for tap in taps], np.float32))
        if styles.factors:
            weights = weights[..., None] * np.stack([styles.factors[tap] for tap in taps], 1)
        return weights if self._manifest.has_regions else weights[0]

    def scaled(self, *, content: float = 1.0, style: float = 1.0, tv: float = 1.0) -> "OnnxObjective":
        """Return the objective with other weights: see `LossWeights.scaled`; the targets stay the same."""
        weights = self._weights.scaled(content=content, style=style, tv=tv)
        return OnnxObjective(self._session, self._manifest, self._content, self._styles, weights)


def features_for(config: TransferConfig) -> ExtractFeatures:
    """Return what computes the features of the targets: the extractor artifact of `config`, else PyTorch.

    An extractor computes in fp32 in every precision of `config`, because the targets are computed once.

    Raises:
        UsageError: The artifact is damaged, or belongs to another network or to other layers than `config` names.
        StyleTransferError: There is neither an artifact nor PyTorch.
    """
    if config.extractor:
        extractor = open_extractor(config.extractor, config.device, execution=Execution(config.runtime))
        check_matches_config(config.extractor, extractor.manifest, config)
        return extractor
    require_full("an objective without --extractor")
    from core.backends.torch_backend import TorchBackend  # not needed where there is an artifact

    return TorchBackend(config).features


def _without_objective() -> str:
    """Return how to run without the objective; export run has no option --objective that could be removed."""
    return "run core.transfer without --objective" if has_torch() else without_artifacts("--objective")


def check_objective(path: str | os.PathLike[str], manifest: Manifest, config: TransferConfig) -> None:
    """Check that the objective at `path` can serve a run with `config`.

    Raises:
        UsageError: Its layers, its network or its loss differ.
    """
    check_losses(path, manifest, config)
    for flag, exported, requested in (
        ("--content-layers", manifest.content_taps, config.content_layers),
        ("--style-layers", manifest.style_taps, config.style_layers),
    ):
        if set(exported) != set(requested):
            raise UsageError(
                f"{path} was exported with {flag} {','.join(exported)}, but this run uses {','.join(requested)}: "
                f"add {flag} {','.join(exported)}, or export the objective again"
            )
    check_matches_config(path, manifest, config)


def _check_same_network(objective: Manifest, extractor: Manifest) -> None:
    """Raise UsageError if the extractor and the objective were exported from different networks."""
    for what in ("arch", "pooling", "preprocessing", "weights"):
        values = (getattr(manifest, what) for manifest in (objective, extractor))
        objective_value, extractor_value = (value["sha256"] if what == "weights" else value for value in values)
        if objective_value != extractor_value:
            raise UsageError(
                f"the objective was exported with {what} {objective_value:.12}, the extractor with {what} "
                f"{extractor_value:.12}: export both from the same network"
            )
    if lacking := [tap for tap in objective.taps if tap not in extractor.taps]:
        raise UsageError(
            f"the extractor lacks {', '.join(lacking)}, which the objective needs: export one with these layers"
        )
