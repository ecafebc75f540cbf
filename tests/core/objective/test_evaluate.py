"""The terms of the loss by hand, and the backward from their statistics to the features against autograd."""

import pytest
import torch
from torch import Tensor

from core.objective.content import content_loss
from core.objective.evaluate import LossTerms, as_evaluation, total_loss
from core.objective.total_variation import total_variation
from core.objective.types import Region, StyleTarget
from core.objective.weights import LossWeights
from support.style_losses import random_features
from support.toy_losses import SampledMeans

TAPS = ("relu1_1", "relu2_1")
SHAPES = {"relu1_1": (1, 3, 8, 10), "relu2_1": (1, 4, 4, 5)}
IMAGE = torch.rand((1, 3, 8, 10), generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def terms_of(style_loss: str = "gram", tv: float = 0.3) -> LossTerms:
    """Weights of one content layer, which is a style layer too, and of two style layers."""
    return LossTerms.of(LossWeights({"relu2_1": 2.0}, {"relu1_1": 0.5, "relu2_1": 3.0}, tv, style_loss, 0))


def features_of(seed: int) -> dict[str, Tensor]:
    return {tap: random_features(*SHAPES[tap], seed=seed) for tap in TAPS}


def masks_of(seed: int) -> dict[str, Tensor]:
    masks = {tap: random_features(1, 1, *SHAPES[tap][2:], seed=seed).abs() for tap in TAPS}
    return {tap: mask / mask.mean() for tap, mask in masks.items()}


CONTENT = Region(masks_of(10), features_of(1))


def regions_of(style_loss: str) -> list[Region]:
    """The whole image, and a mask; with targets of the positions for the style loss that has them."""
    targets = [features_of(seed) if style_loss == "nearest" else None for seed in (8, 9)]
    return [Region(None, targets[0]), Region(masks_of(7), targets[1])]


def styles_of(terms: LossTerms, regions: list[Region]) -> list[StyleTarget]:
    """A style for the first region, and two for the second."""

    def style(seed: int, weight: float, region: int) -> StyleTarget:
        found = terms.statistics(features_of(seed), CONTENT, regions)
        targets = {tap: terms.style_loss.target([found["style", tap, region]], [1]) for tap in TAPS}
        return StyleTarget(targets, weight, region)

    return [style(4, 1.5, 0), style(5, 0.5, 1), style(6, 2, 1)]


@pytest.mark.parametrize("style_loss", ["gram", "moments", "wasserstein", "nearest"])
def test_backward_from_the_statistics_equals_autograd(style_loss: str) -> None:
    """With a layer that is both a content and a style layer, and added to gradients that exist already."""
    terms, regions, content = terms_of(style_loss), regions_of(style_loss), CONTENT
    styles = styles_of(terms, regions)
    features = {tap: values.requires_grad_() for tap, values in features_of(0).items()}
    statistics = terms.statistics(features, content, regions)
    loss = total_loss(terms.weighted_losses(statistics, IMAGE, styles))
    expected = torch.autograd.grad(loss, [features[tap] for tap in TAPS], retain_graph=True)
    grad_statistics = dict(zip(statistics, torch.autograd.grad(loss, [*statistics.values()]), strict=True))
    for tap, gradient in zip(TAPS, expected, strict=True):
        grad = torch.ones_like(gradient)
        terms.accumulate_grad(grad, features[tap].detach(), tap, grad_statistics, content, regions)
        torch.testing.assert_close(grad, 1 + gradient, rtol=1e-10, atol=1e-10)


def test_terms_are_weighted_by_layer_and_style() -> None:
    terms, regions, features = terms_of(), regions_of("gram"), features_of(0)
    styles, loss = styles_of(terms, regions), terms.style_loss
    statistics = terms.statistics(features, CONTENT, regions)
    found = terms.weighted_losses(statistics, IMAGE, styles)
    expected = 0.0
    for style in styles:
        for tap, weight in (("relu1_1", 0.5), ("relu2_1", 3)):
            distance = loss.loss(statistics["style", tap, style.region], style.statistics[tap])
            expected += style.weight * weight * distance.item()
    target, mask = CONTENT.given_target("relu2_1"), CONTENT.mask("relu2_1")
    assert found["content"].item() == pytest.approx(2 * content_loss(features["relu2_1"], target, mask).item())
    assert found["style"].item() == pytest.approx(expected)
    assert found["tv"].item() == pytest.approx(0.3 * total_variation(IMAGE).item())


def test_terms_without_weight_are_left_out() -> None:
    terms = LossTerms.of(LossWeights({}, {"relu1_1": 1.0}, 0.0, "gram", 0))
    statistics = terms.statistics(features_of(0), Region(), [Region()])
    assert [*statistics] == [("style", "relu1_1", 0)]
    style = StyleTarget({"relu1_1": statistics["style", "relu1_1", 0]})
    assert [*terms.weighted_losses(statistics, IMAGE, [style])] == ["style"]


def test_an_evaluation_has_the_sum_and_the_terms_as_numbers() -> None:
    parts = {"content": torch.tensor(0.25, dtype=torch.float64), "style": torch.tensor(3.0, dtype=torch.float64)}
    found = as_evaluation(parts, IMAGE)
    assert (found.loss, found.parts) == (3.25, {"content": 0.25, "style": 3.0})
    assert type(found.loss) is float
    assert found.gradient is IMAGE


def test_a_stochastic_loss_gets_the_number_of_the_step(toy_losses: None) -> None:
    terms = terms_of("sampled-means").at_step(7)
    assert isinstance(terms.style_loss, SampledMeans)
    assert terms.style_loss.step == 7
    assert terms_of("gram").at_step(7) == terms_of("gram")
