"""Compares an exported objective with PyTorch's autograd: in float32, and in float64 as the judge."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import unfold

from core.artifacts.manifest import Manifest
from core.artifacts.onnx_session import open_session
from core.backends.onnx_backend import CONTENT, GRAM, OnnxObjective
from core.network.architecture import truncated
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import Weights
from core.objective.content import content_loss
from core.objective.gram import GramLoss, gram
from core.objective.reference import ReferenceObjective
from core.objective.targets import compute_targets
from core.objective.tiled_features import TiledFeatures
from core.objective.total_variation import total_variation
from core.objective.types import StyleTarget, Targets
from core.objective.weights import LossWeights
from core.optim.types import Evaluation
from core.styles import StyleExemplar
from export.io_spec import LEAST_SIZE
from export.verify.parity import Comparison, Report, compare, one_thread

LIMIT = 1e-6
"""Allowed difference from float64, relative, of losses and gradients alike."""

FAR = 3e-6
"""A picture is away from kinks if no value is nearer to one than this part of its layer's usual size.

Float32 is more exact than that. At a kink, where rounding decides which way a ReLU or a maximum goes, float32
itself is off by 1e-3 at times, which would hide mistakes.
"""

MOST_SEEDS = 100


@dataclass(frozen=True)
class _Case:
    """Everything an objective is computed from; float32, sizes (1, C, H, W)."""

    image: Tensor
    targets: Targets
    terms: LossWeights

    def double(self) -> "_Case":
        content = {tap: target.double() for tap, target in self.targets.content.items()}
        style = {tap: target.double() for tap, target in self.grams.items()}
        return _Case(self.image.double(), Targets(content, (StyleTarget(style),)), self.terms)

    @property
    def grams(self) -> Mapping[str, Tensor]:
        """Those of the one style, by tap."""
        return self.targets.styles[0].statistics


def verify_objective(path: Path, manifest: Manifest, weights: Weights) -> Report:
    """Compare the objective artifact at `path` with autograd through the network of `weights`, on the CPU."""
    plan = truncated(weights.arch, manifest.taps)
    eager = load_vgg_features(weights, [layer.name for layer in plan], pooling=manifest.pooling)
    exact = copy.deepcopy(eager).double()
    session, rows = open_session(path, "cpu"), []
    with one_thread():
        for height, width in _sizes(max(LEAST_SIZE, plan[-1].stride)):
            image = _away_from_kinks(eager, height, width)
            case = _case(eager, manifest, image)
            graph = OnnxObjective(session, manifest, _inputs(case.targets), case.terms)
            found = graph(image.numpy()), _evaluate(eager, case), _evaluate(exact, case.double())
            rows += _compare(f"{height} x {width}", *found)
    return Report(tuple(rows))


def distance_from_kinks(extractor: VGGFeatures, image: Tensor) -> float:
    """How far the features of `image` (1, 3, H, W) are, at the least, from where their gradient jumps.

    `extractor` returns all of its layers. The gradient jumps where what enters a ReLU is 0, and where the two
    largest values in a window of max pooling are equal, unless they are 0 and let nothing through anyway.
    Distances are in terms of the root mean square of a layer.
    """
    least, before = math.inf, image
    for name, values in extractor(image).items():
        gaps = torch.empty(0)
        if name.startswith("conv"):
            gaps = values.abs()
        elif name.startswith("pool") and extractor.pooling == "max":
            largest, second = unfold(before.transpose(0, 1), 2, stride=2).topk(2, dim=1).values.unbind(1)
            gaps = (largest - second)[largest > 0]
        if gaps.numel():
            least = min(least, float(gaps.min() / values.square().mean().sqrt()))
        before = values
    return least


def _sizes(least: int) -> tuple[tuple[int, int], ...]:
    """Heights and widths, even and odd, from the least on."""
    return (least, least), (least + 8, 2 * least + 8), (2 * least + 1, 2 * least - 1), (3 * least, 2 * least + 2)


@torch.no_grad()
def _away_from_kinks(eager: VGGFeatures, height: int, width: int) -> Tensor:
    """An image (1, 3, H, W), float32."""
    for seed in range(MOST_SEEDS):
        image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
        if distance_from_kinks(eager, image) > FAR:
            break
    return image


@torch.no_grad()
def _case(eager: VGGFeatures, manifest: Manifest, image: Tensor) -> _Case:
    """Targets from variations of `image`, and weights that let every term count for 1."""
    ones = LossWeights(dict.fromkeys(manifest.content_taps, 1.0), dict.fromkeys(manifest.style_taps, 1.0), 1.0, "gram")
    whole = TiledFeatures.whole(eager, eager.arch, eager.taps)
    targets = compute_targets(whole, image.flip(3), [StyleExemplar((image.square(),))], ones)
    features = eager(image)
    terms = LossWeights(
        {tap: 1 / float(content_loss(features[tap], target)) for tap, target in targets.content.items()},
        {
            tap: 1 / float(GramLoss().loss(gram(features[tap]), target))
            for tap, target in targets.styles[0].statistics.items()
        },
        1 / float(total_variation(image)),
        "gram",
    )
    return _Case(image, targets, terms)


def _inputs(targets: Targets) -> dict[str, NDArray[np.float32]]:
    contents = {CONTENT.format(tap): target.numpy() for tap, target in targets.content.items()}
    return contents | {GRAM.format(tap): target.numpy() for tap, target in targets.styles[0].statistics.items()}


def _evaluate(extractor: VGGFeatures, case: _Case) -> Evaluation:
    return ReferenceObjective(extractor, case.targets, case.terms)(case.image)


def _compare(where: str, actual: Evaluation, single: Evaluation, exact: Evaluation) -> list[Comparison]:
    three = (actual, single, exact)
    losses = (np.array([evaluation.loss, *evaluation.parts.values()]) for evaluation in three)
    pulls = (np.asarray(evaluation.gradient) for evaluation in three)
    return [compare("loss", where, *losses, limit=LIMIT), compare("gradient", where, *pulls, limit=LIMIT)]
