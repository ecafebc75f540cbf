"""The engine without PyTorch: ONNX Runtime computes the loss and its gradient from an exported objective."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.arrays import Pixels, Size
from core.artifacts.extractors import OnnxExtractor, TorchExtractor, check_matches_config, open_extractor
from core.artifacts.manifest import Manifest, read_manifest
from core.artifacts.onnx_session import CPU, open_session, provider_of, run_session
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.memory.plan import Memory, Plan, plan_memory
from core.objective.weights import LossWeights
from core.optim.types import Evaluation, WeightedObjective
from core.styles import StyleExemplar, as_exemplars

Features = NDArray[np.float32]
FeaturesOf = Callable[[Pixels], Mapping[str, Features]]
"""From an image (1, 3, H, W) RGB in [0, 1] to its features (1, C, h, w) at every tap, by their names."""

CONTENT, GRAM = "content/{}", "gram/{}"
"""What the graph calls the targets at a tap."""


class OnnxBackend:
    """Computes the objective with the artifact at `path`, which `python -m export objective` wrote.

    `features_of` computes the features of content and style that the artifact takes as targets: an extractor
    from `core.artifacts.extractors.open_extractor`, or anything else that runs the same network.

    Raises:
        UsageError: The artifact is damaged, or of another network or other layers than `config` asks for.
        StyleTransferError: The device asked for is not there.
    """

    def __init__(self, path: str | os.PathLike[str], features_of: FeaturesOf, config: TransferConfig) -> None:
        self.manifest = read_manifest(path, kind="objective")
        _check_config(path, self.manifest, config)
        if isinstance(features_of, OnnxExtractor | TorchExtractor):
            _check_same_network(self.manifest, features_of.manifest)
        self.terms = LossWeights.of(config, self.manifest.activation_scale)
        self._path, self._features_of, self._config = Path(path), features_of, config
        self._session = open_session(path, config.device)
        self.provider = provider_of(self._session)
        if config.device not in ("auto", "cpu") and self.provider == CPU:
            raise StyleTransferError(
                f"ONNX Runtime finds no {config.device} device on this machine: use --device auto or --device cpu"
            )

    def plan(self, size: Size, style_size: Size) -> Plan:
        """The whole picture at once, which is how the artifact computes; whether it fits shows when it runs."""
        return plan_memory(size, style_size, self._config, Memory(math.inf))

    def objective(self, content: Pixels, style: Pixels | Sequence[StyleExemplar]) -> WeightedObjective:
        """The objective for these pictures, its targets computed.

        Raises:
            UsageError: There are several styles, or one has a region: the graph has one Gram matrix a layer.
        """
        exemplar, *others = as_exemplars(style)
        if others or exemplar.mask is not None:
            raise UsageError(
                "an exported objective knows one style over the whole picture: leave out the other styles and "
                "regions, or --objective"
            )
        contents = self._features_of(content)
        targets = {CONTENT.format(tap): contents[tap] for tap in self.manifest.content_taps}
        del contents
        areas = [pixels.shape[2] * pixels.shape[3] for pixels in exemplar.images]
        for area, pixels in zip(areas, exemplar.images, strict=True):
            styles = self._features_of(pixels)
            for tap in self.manifest.style_taps:
                share = np.float32(area / sum(areas)) * gram(styles[tap])
                targets[GRAM.format(tap)] = targets.get(GRAM.format(tap), 0) + share
        return OnnxObjective(self._session, self.manifest, targets, self.terms)

    def deferred_objective(self, objective: WeightedObjective, size: Size) -> None:
        """None: ONNX Runtime hands its numbers over."""

    def to_array(self, pixels: Pixels) -> Pixels:
        """The picture itself: the optimiser works on NumPy arrays as it does on PyTorch's."""
        return pixels

    def to_pixels(self, array: Pixels) -> Pixels:
        """The picture itself."""
        return array

    def describe(self) -> Mapping[str, Any]:
        """The artifact, what it really runs on, and the weights inside it."""
        import onnxruntime

        extractor = self._features_of
        runs_on = extractor.provider if isinstance(extractor, OnnxExtractor | TorchExtractor) else "PyTorch"
        return {
            "engine": "onnxruntime",
            "onnxruntime": onnxruntime.__version__,
            "device": self.provider.removesuffix("ExecutionProvider").lower(),
            "provider": self.provider,
            "objective": str(self._path.resolve()),
            "extractor_runs_on": runs_on,
            "weights": dict(self.manifest.weights),
        }


class OnnxObjective:
    """An objective graph with its targets: for each content tap features (1, C, h, w), for each style tap a Gram."""

    def __init__(
        self, session: Any, manifest: Manifest, targets: Mapping[str, NDArray[np.float32]], terms: LossWeights
    ) -> None:
        self._session, self._manifest, self._targets, self._terms = session, manifest, targets, terms
        self._inputs = {
            **targets,
            "content_weights": np.array([terms.content[tap] for tap in manifest.content_taps], np.float32),
            "style_weights": np.array([terms.style[tap] for tap in manifest.style_taps], np.float32),
            "tv_weight": np.array([terms.tv], np.float32),
        }
        self._parts = ("content", "style", "tv") if terms.tv else ("content", "style")

    def __call__(self, image: Pixels) -> Evaluation:
        """Evaluate at `image`, (1, 3, H, W) RGB in [0, 1], H and W those of the content."""
        inputs = {"image": np.asarray(image, np.float32), **self._inputs}
        values = run_session(self._session, ("loss", "gradient", *self._parts), inputs)
        return Evaluation(
            float(values["loss"]), values["gradient"], {name: float(values[name]) for name in self._parts}
        )

    def scaled(self, *, content: float = 1.0, style: float = 1.0) -> "OnnxObjective":
        """The same with the weights of the content and of the style multiplied."""
        terms = self._terms.scaled(content=content, style=style)
        return OnnxObjective(self._session, self._manifest, self._targets, terms)


def gram(features: Features) -> Features:
    """The Gram matrix (1, C, C) of features (1, C, h, w), divided by positions: `core.objective.losses.gram` in NumPy."""
    flat = features.reshape(*features.shape[:2], -1)
    product: Features = flat @ flat.transpose(0, 2, 1) / np.float32(flat.shape[2])
    return product


def features_for(config: TransferConfig) -> FeaturesOf:
    """What computes the targets that an objective takes: the extractor artifact of `config`, else PyTorch.

    Raises:
        UsageError: The artifact is damaged, or of another network or other layers than `config` asks for.
    """
    if config.extractor:
        extractor = open_extractor(config.extractor, config.device)
        check_matches_config(config.extractor, extractor.manifest, config)
        return extractor
    from core.backends.torch_backend import TorchBackend  # PyTorch is not needed where there is an artifact

    return TorchBackend(config).features


def _check_config(path: str | os.PathLike[str], manifest: Manifest, config: TransferConfig) -> None:
    if config.style_loss != "gram":
        raise UsageError(
            f"{path} compares styles by Gram matrices, not by --style-loss {config.style_loss}: "
            "use gram, or paint without it"
        )
    for flag, held, asked in (
        ("--content-layers", manifest.content_taps, config.content_layers),
        ("--style-layers", manifest.style_taps, config.style_layers),
    ):
        if set(held) != set(asked):
            raise UsageError(
                f"{path} was exported with {flag} {','.join(held)} and this run asks for {','.join(asked)}: "
                f"add {flag} {','.join(held)}, or export another"
            )
    check_matches_config(path, manifest, config)


def _check_same_network(objective: Manifest, extractor: Manifest) -> None:
    """Raise UsageError if targets from this extractor would mean something else to this objective."""
    for what in ("arch", "pooling", "preprocessing", "weights"):
        ours, theirs = getattr(objective, what), getattr(extractor, what)
        ours, theirs = (of["sha256"] if what == "weights" else of for of in (ours, theirs))
        if ours != theirs:
            raise UsageError(
                f"the objective is of {what} {ours:.12} and the extractor of {what} {theirs:.12}: "
                "export both from the same network"
            )
    if lacking := [tap for tap in objective.taps if tap not in extractor.taps]:
        raise UsageError(
            f"the extractor lacks {', '.join(lacking)}, which the objective compares: export one with these layers"
        )
