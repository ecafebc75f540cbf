"""The objective put together: its gradient against finite differences, its parts, its units."""

import pytest
import torch
from torch import Tensor

from core.config.transfer_config import TransferConfig
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import load_weights
from core.objective.losses import content_loss, gram, style_loss, total_variation
from core.objective.objective import ReferenceObjective, compute_targets
from core.objective.weights import LossWeights

LAYERS = {"content_layers": "relu2_1", "style_layers": "relu1_1,relu2_1", "style_weight": "0.3,0.7", "tv_weight": 2}


@pytest.fixture(scope="module")
def extractor() -> VGGFeatures:
    return load_vgg_features(load_weights("vgg19"), ["relu1_1", "relu2_1"]).double()


def picture(seed: int, height: int = 18, width: int = 23) -> Tensor:
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def objective_and_terms(extractor: VGGFeatures, **options: object) -> tuple[ReferenceObjective, LossWeights]:
    terms = LossWeights.of(TransferConfig(**(LAYERS | options)), activation_scale=57.6)
    targets = compute_targets(extractor, picture(1), picture(2, 20, 31), terms)
    return ReferenceObjective(extractor, targets, terms), terms


@pytest.mark.parametrize("statistic", ["gram", "wasserstein", "sliced-wasserstein"])
def test_the_gradient_against_finite_differences(extractor: VGGFeatures, statistic: str) -> None:
    objective, _ = objective_and_terms(extractor, style_loss=statistic)
    image, direction = picture(3), picture(4) - 0.5
    gradient = objective(image).gradient
    step = 1e-6
    slope = (objective(image + step * direction).loss - objective(image - step * direction).loss) / (2 * step)
    assert (gradient * direction).sum().item() == pytest.approx(slope, rel=1e-5)


def test_the_parts_are_the_weighted_terms_and_add_up(extractor: VGGFeatures) -> None:
    objective, _ = objective_and_terms(extractor)
    image = picture(3)
    features, content, style = extractor(image), extractor(picture(1)), extractor(picture(2, 20, 31))
    found = objective(image)
    expected = {
        "content": 1 / 57.6**2 * content_loss(features["relu2_1"], content["relu2_1"]),
        "style": sum(
            weight / 57.6**4 * style_loss(gram(features[tap]), gram(style[tap]))
            for tap, weight in (("relu1_1", 0.3), ("relu2_1", 0.7))
        ),
        "tv": 2 * total_variation(image),
    }
    assert found.parts == pytest.approx({name: value.item() for name, value in expected.items()})
    assert found.loss == pytest.approx(sum(found.parts.values()))


def test_a_picture_is_at_no_distance_from_itself(extractor: VGGFeatures) -> None:
    terms = LossWeights.of(TransferConfig(**(LAYERS | {"tv_weight": 0})), 57.6)
    objective = ReferenceObjective(extractor, compute_targets(extractor, picture(1), picture(1), terms), terms)
    found = objective(picture(1))
    assert found.loss == 0
    assert not found.gradient.any()
    assert set(found.parts) == {"content", "style"}


@pytest.mark.parametrize("statistic", ["gram", "wasserstein"])
def test_weights_mean_the_same_on_any_scale_of_the_features(extractor: VGGFeatures, statistic: str) -> None:
    """Features ten times larger and an activation scale ten times larger: the loss stays."""

    class Louder(torch.nn.Module):
        def forward(self, image: Tensor) -> dict[str, Tensor]:
            return {tap: 10 * features for tap, features in extractor(image).items()}

    losses = []
    for network, scale in ((extractor, 57.6), (Louder(), 576)):
        terms = LossWeights.of(TransferConfig(**(LAYERS | {"style_loss": statistic})), scale)
        targets = compute_targets(network, picture(1), picture(2), terms)
        losses.append(ReferenceObjective(network, targets, terms)(picture(3)).loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_without_weight_a_term_does_not_count(extractor: VGGFeatures) -> None:
    objective, _ = objective_and_terms(extractor, content_weight=0, tv_weight=0)
    parts = objective(picture(3)).parts
    assert parts["content"] == 0 < parts["style"]
    assert "tv" not in parts
