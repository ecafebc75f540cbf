"""Verification of objectives against autograd in float32 and float64."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import unfold

from core.artifacts.manifest import Manifest
from core.artifacts.runtimes import ONNX_RUNTIME, Execution
from core.backends.onnx_backend import OnnxObjective
from core.backends.onnx_targets import Features, StyleTargets, whole_mask
from core.backends.target_parts import parts_of
from core.network.architecture import MIN_SIDE, stride_of, truncated
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import Weights
from core.objective.content import content_loss
from core.objective.evaluate import LossTerms
from core.objective.reference import ReferenceObjective
from core.objective.targets import compute_targets
from core.objective.tiled_extractor import TiledFeatureExtractor
from core.objective.total_variation import total_variation
from core.objective.types import LayerFeatures, Region, Targets
from core.objective.weights import LossWeights
from core.optim.types import Evaluation
from core.styles import StyleExemplar
from export.io_spec import tolerances_of
from export.verify.parity import Comparison, ParityReport, one_thread

MIN_DISTANCE = 3e-6
"""Distance from nondifferentiability from which images are compared, relative to the RMS of a layer.

Float32 rounding is smaller. Closer to it, rounding decides which way a ReLU or a maximum switches, and eager float32
itself has errors of up to 1e-3, which would hide mistakes.
"""

MAX_SEEDS = 100


@dataclass(frozen=True)
class _Sample:
    """Image (1, 3, H, W), targets and loss weights at which an objective is evaluated; float32."""

    image: Tensor
    targets: Targets
    terms: LossWeights

    def double(self) -> "_Sample":
        targets = self.targets
        targets = Targets(
            _double(targets.content),
            tuple(replace(style, statistics=_double(style.statistics)) for style in targets.styles),
            tuple(
                Region(region.masks and _double(region.masks), region.targets and _double(region.targets))
                for region in targets.regions
            ),
            targets.content_masks and _double(targets.content_masks),
        )
        return _Sample(self.image.double(), targets, self.terms)

    def graph_content(self) -> dict[str, Features]:
        """Return the content targets of a graph."""
        return {tap: target.numpy() for tap, target in self.targets.content.items()}

    def graph_styles(self) -> StyleTargets:
        """Return the style targets of a graph."""
        loss, taps, styles = self.terms.style_loss, list(self.terms.style), self.targets.styles
        regions = [self.targets.regions[style.region] for style in styles]
        return StyleTargets.of_regions(
            {tap: [parts_of(loss, style.statistics[tap].numpy()) for style in styles] for tap in taps},
            {tap: [self._mask(region, tap) for region in regions] for tap in taps},
            [style.weight for style in styles],
            {},
        )

    def style_loss(self, tap: str, features: LayerFeatures) -> float:
        """Return the style loss at a tap, without its weight, given the features (1, C, h, w) of the image."""
        terms = LossTerms.of(replace(self.terms, content={}, style={tap: 1.0}, tv=0.0))
        statistics = terms.statistics(features, Region(), self.targets.regions)
        return float(terms.weighted_losses(statistics, self.image, self.targets.styles)["style"])

    def _mask(self, region: Region, tap: str) -> Features:
        mask, (height, width) = region.mask(tap), self.image.shape[2:]
        return whole_mask((height // stride_of(tap), width // stride_of(tap))) if mask is None else mask.numpy()


def verify_objective(
    path: Path, manifest: Manifest, weights: Weights, execution: Execution = ONNX_RUNTIME
) -> ParityReport:
    """Compare the objective artifact at `path` with autograd through the network of `weights`, on the CPU."""
    plan = truncated(weights.arch, manifest.taps)
    eager = load_vgg_features(weights, [layer.name for layer in plan], pooling=manifest.pooling)
    exact = copy.deepcopy(eager).double()
    session, rows = execution.open(path, "cpu"), []
    tolerances = tolerances_of(manifest, execution)
    with one_thread():
        for height, width in [manifest.size] if manifest.size else _sizes(max(MIN_SIDE, plan[-1].stride)):
            sample = _sample(eager, manifest, _differentiable_image(eager, height, width))
            graph = OnnxObjective(session, manifest, sample.graph_content(), sample.graph_styles(), sample.terms)
            single, double = _evaluate(eager, sample), _evaluate(exact, sample.double())
            evaluations = graph(sample.image.numpy()), single, double
            rows += _compare_evaluations(f"{height} x {width}", *evaluations, tolerances)
    return ParityReport(tuple(rows))


def distance_from_nondifferentiability(extractor: VGGFeatures, image: Tensor) -> float:
    """Return how close the features of `image` (1, 3, H, W) come to a jump of their gradient.

    The gradient jumps where the input of a ReLU is 0, and where the two largest values in a window of max pooling are
    equal and positive. Distances are relative to the root mean square of the layer. `extractor` must return all of its
    layers.
    """
    least, layer_input = math.inf, image
    for name, values in extractor(image).items():
        gaps = torch.empty(0)
        if name.startswith("conv"):
            gaps = values.abs()
        elif name.startswith("pool") and extractor.pooling == "max":
            largest, second = unfold(layer_input.transpose(0, 1), 2, stride=2).topk(2, dim=1).values.unbind(1)
            gaps = (largest - second)[largest > 0]
        if gaps.numel():
            least = min(least, float(gaps.min() / values.square().mean().sqrt()))
        layer_input = values
    return least


def _sizes(least: int) -> tuple[tuple[int, int], ...]:
    """Return heights and widths to compare, even and odd, from the smallest allowed."""
    return (least, least), (least + 8, 2 * least + 8), (2 * least + 1, 2 * least - 1), (3 * least, 2 * least + 2)


@torch.no_grad()
def _differentiable_image(eager: VGGFeatures, height: int, width: int) -> Tensor:
    """Return a random image (1, 3, H, W), float32, away from nondifferentiability."""
    for seed in range(MAX_SEEDS):
        image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
        if distance_from_nondifferentiability(eager, image) > MIN_DISTANCE:
            break
    return image


@torch.no_grad()
def _sample(eager: VGGFeatures, manifest: Manifest, image: Tensor) -> _Sample:
    """Return a sample with targets from variations of `image`, and weights that make every loss term 1.

    The style image is much darker than `image`: differences of similar Gram matrices lose digits in every program. With
    regions a second style applies to a mask.
    """
    ones = LossWeights(
        dict.fromkeys(manifest.content_taps, 1.0),
        dict.fromkeys(manifest.style_taps, 1.0),
        1.0,
        manifest.style_loss,
        manifest.content_detail,
    )
    whole = TiledFeatureExtractor.whole(eager, eager.arch, eager.taps)
    styles = [StyleExemplar((image / 4,))]
    if manifest.has_regions:
        mask = torch.linspace(0, 1, image.shape[3]).expand(1, 1, *image.shape[2:])
        styles.append(StyleExemplar((image.flip(2) / 8,), 2.0, mask))
    sample = _Sample(image, compute_targets(whole, image.flip(3), styles, ones), ones)
    features, content = eager(image), sample.targets.content_region
    terms = replace(
        ones,
        content={
            tap: 1 / float(content_loss(features[tap], content.given_target(tap), content.mask(tap)))
            for tap in manifest.content_taps
        },
        style={tap: 1 / sample.style_loss(tap, features) for tap in manifest.style_taps},
        tv=1 / float(total_variation(image)),
    )
    return replace(sample, terms=terms)


def _double(values: LayerFeatures) -> dict[str, Tensor]:
    return {tap: value.double() for tap, value in values.items()}


def _evaluate(extractor: VGGFeatures, sample: _Sample) -> Evaluation:
    return ReferenceObjective(extractor, sample.targets, sample.terms)(sample.image)


def _compare_evaluations(
    case: str, actual: Evaluation, single: Evaluation, exact: Evaluation, tolerances: Mapping[str, float]
) -> list[Comparison]:
    evaluations = (actual, single, exact)
    losses = (np.array([evaluation.loss, *evaluation.parts.values()]) for evaluation in evaluations)
    gradients = (np.asarray(evaluation.gradient) for evaluation in evaluations)
    return [
        Comparison.of("loss", case, *losses, limit=tolerances["loss"]),
        Comparison.of("gradient", case, *gradients, limit=tolerances["gradient"]),
    ]
