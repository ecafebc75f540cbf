"""The objective as a whole: its gradient against finite differences, its terms, the units of its weights."""

import pytest
import torch
from torch import Tensor

from core.config.transfer_config import TransferConfig
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import load_weights
from core.objective.content import content_loss, detail_mask
from core.objective.gram import GramLoss, gram
from core.objective.reference import ReferenceObjective
from core.objective.targets import compute_targets
from core.objective.tiled_extractor import ExtractFeatures, TiledFeatureExtractor
from core.objective.total_variation import total_variation
from core.objective.types import Targets
from core.objective.weights import LossWeights
from core.styles import StyleExemplar

pytestmark = pytest.mark.usefixtures("tiny_vgg")

LAYERS = {"content_layers": "relu2_1", "style_layers": "relu1_1,relu2_1", "style_weight": "0.3,0.7", "tv_weight": 2}


@pytest.fixture
def extractor(tiny_vgg: None) -> VGGFeatures:
    return load_vgg_features(load_weights("vgg19"), ["relu1_1", "relu2_1"]).double()


def image_of(seed: int, height: int = 18, width: int = 23) -> Tensor:
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def targets_of(extractor: ExtractFeatures, content: Tensor, style: Tensor, weights: LossWeights) -> Targets:
    features = TiledFeatureExtractor.whole(extractor, "vgg19", ("relu1_1", "relu2_1"))
    return compute_targets(features, content, [StyleExemplar((style,))], weights)


def objective_of(extractor: VGGFeatures, **options: object) -> ReferenceObjective:
    weights = LossWeights.of(TransferConfig(**(LAYERS | options)), activation_scale=57.6)
    return ReferenceObjective(extractor, targets_of(extractor, image_of(1), image_of(2, 20, 31), weights), weights)


@pytest.mark.parametrize("statistic", ["gram", "moments", "wasserstein", "sliced-wasserstein"])
def test_the_gradient_against_finite_differences(extractor: VGGFeatures, statistic: str) -> None:
    objective = objective_of(extractor, style_loss=statistic)
    image, direction = image_of(3), image_of(4) - 0.5
    gradient = objective(image).gradient
    step = 1e-6
    slope = (objective(image + step * direction).loss - objective(image - step * direction).loss) / (2 * step)
    assert (gradient * direction).sum().item() == pytest.approx(slope, rel=1e-5)


def test_the_loss_is_the_sum_of_the_weighted_terms(extractor: VGGFeatures) -> None:
    objective = objective_of(extractor)
    image = image_of(3)
    features, target, style = extractor(image), extractor(image_of(1))["relu2_1"], extractor(image_of(2, 20, 31))
    found = objective(image)
    expected = {
        "content": 1 / 57.6**2 * content_loss(features["relu2_1"], target, detail_mask(target, 0.3)),
        "style": sum(
            weight / 57.6**4 * GramLoss().loss(gram(features[tap]), gram(style[tap]))
            for tap, weight in (("relu1_1", 0.3), ("relu2_1", 0.7))
        ),
        "tv": 2 * total_variation(image),
    }
    assert found.parts == pytest.approx({name: value.item() for name, value in expected.items()})
    assert found.loss == pytest.approx(sum(found.parts.values()))


def test_the_loss_of_an_image_against_itself_is_zero(extractor: VGGFeatures) -> None:
    weights = LossWeights.of(TransferConfig(**(LAYERS | {"tv_weight": 0})), 57.6)
    objective = ReferenceObjective(extractor, targets_of(extractor, image_of(1), image_of(1), weights), weights)
    found = objective(image_of(1))
    assert found.loss == 0
    assert not found.gradient.any()
    assert set(found.parts) == {"content", "style"}


@pytest.mark.parametrize("statistic", ["gram", "moments", "wasserstein"])
def test_weights_do_not_depend_on_the_scale_of_the_features(extractor: VGGFeatures, statistic: str) -> None:
    """Features and activation scale that are ten times larger give the same loss."""

    class Louder(torch.nn.Module):
        def forward(self, image: Tensor) -> dict[str, Tensor]:
            return {tap: 10 * features for tap, features in extractor(image).items()}

    losses = []
    for network, scale in ((extractor, 57.6), (Louder(), 576)):
        weights = LossWeights.of(TransferConfig(**(LAYERS | {"style_loss": statistic})), scale)
        targets = targets_of(network, image_of(1), image_of(2), weights)
        losses.append(ReferenceObjective(network, targets, weights)(image_of(3)).loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_terms_without_weight_are_zero_or_left_out(extractor: VGGFeatures) -> None:
    objective = objective_of(extractor, content_weight=0, tv_weight=0)
    parts = objective(image_of(3)).parts
    assert parts["content"] == 0 < parts["style"]
    assert "tv" not in parts
