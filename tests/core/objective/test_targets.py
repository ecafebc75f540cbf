"""Targets of several styles and regions, of the whole image and in tiles."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.memory.tiling import Tiling
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import load_weights
from core.objective.gram import gram
from core.objective.moments import moments
from core.objective.reference import ReferenceObjective
from core.objective.sliced_wasserstein import projections
from core.objective.targets import compute_targets
from core.objective.tiled import TiledObjective
from core.objective.tiled_extractor import TiledFeatureExtractor
from core.objective.types import WHOLE, Targets
from core.objective.weights import LossWeights
from core.styles import StyleExemplar

pytestmark = pytest.mark.usefixtures("tiny_vgg")

TAPS = ("relu1_1", "relu3_1")
OPTIONS = {"content_layers": "relu3_1", "style_layers": TAPS, "style_weight": (0.3, 0.7)}


@pytest.fixture
def extractor(tiny_vgg: None) -> VGGFeatures:
    return load_vgg_features(load_weights("vgg19"), TAPS).double()


def image_of(seed: int, height: int = 37, width: int = 45) -> Tensor:
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def left(share: float = 1.0) -> Tensor:
    mask = torch.zeros(1, 1, 37, 45, dtype=torch.float64)
    mask[..., :24] = share
    return mask


def targets_of(
    extractor: VGGFeatures, content: Tensor, exemplars: Sequence[StyleExemplar], weights: LossWeights
) -> Targets:
    return compute_targets(TiledFeatureExtractor.whole(extractor, "vgg19", TAPS), content, exemplars, weights)


def weights_of(**options: object) -> LossWeights:
    return LossWeights.of(TransferConfig(**(OPTIONS | options)), activation_scale=57.6)


def parts(
    extractor: VGGFeatures, styles: Sequence[StyleExemplar], image: Tensor, **options: object
) -> dict[str, Tensor]:
    weights = weights_of(**options)
    return ReferenceObjective(extractor, targets_of(extractor, image_of(1), styles, weights), weights).parts(image)


def test_the_loss_of_several_styles_is_the_weighted_mean_of_their_losses(extractor: VGGFeatures) -> None:
    first, second, image = image_of(2, 40, 30), image_of(3, 30, 52), image_of(4)
    alone = [parts(extractor, [StyleExemplar((style,))], image)["style"] for style in (first, second)]
    mixed = parts(extractor, [StyleExemplar((first,), 3), StyleExemplar((second,), 1)], image)["style"]
    assert mixed.item() == pytest.approx((0.75 * alone[0] + 0.25 * alone[1]).item())


def test_statistics_of_the_images_of_one_style_are_averaged_by_area(extractor: VGGFeatures) -> None:
    first, second = image_of(2, 32, 32), image_of(3, 32, 64)
    for loss, statistic in (("gram", gram), ("moments", moments), ("wasserstein", moments)):
        weights = weights_of(style_loss=loss)
        targets = targets_of(extractor, image_of(1), [StyleExemplar((first, second))], weights)
        alone = [statistic(extractor(style)["relu1_1"]) for style in (first, second)]
        expected = (alone[0] + 2 * alone[1]) / 3
        found = targets.styles[0].statistics["relu1_1"]
        if loss != "wasserstein":
            assert torch.allclose(found, expected)
        else:  # the square root of the covariance, and the means
            mean, root = found[..., -1], found[..., :-1]
            assert torch.allclose(mean, expected[..., -1])
            covariance = expected[..., :-1] - mean.unsqueeze(2) * mean.unsqueeze(1)
            assert torch.allclose(root @ root, covariance, atol=1e-8 * float(covariance.abs().max()))


def test_a_region_is_compared_by_the_features_inside_it(extractor: VGGFeatures) -> None:
    """relu1_1 has one position per pixel, so the masked Gram matrix equals that of the left half of the features."""
    style, image = image_of(2), image_of(4)
    only = {"style_layers": "relu1_1", "style_weight": 1}
    found = parts(extractor, [StyleExemplar((style,), mask=left())], image, **only)["style"]
    features = extractor(image)["relu1_1"][..., :24]
    target = gram(extractor(style)["relu1_1"])
    expected = (gram(features) - target).square().mean() / 57.6**4
    assert found.item() == pytest.approx((24 / 45 * expected).item())


def test_a_style_mask_selects_the_features_of_the_style(extractor: VGGFeatures) -> None:
    """relu1_1 has one position per pixel, so the masked statistics equal those of the left half of the features."""
    style, features = image_of(2), extractor(image_of(2))["relu1_1"][..., :24]
    only = {"style_layers": "relu1_1", "style_weight": 1}
    exemplar = [StyleExemplar((style,), style_mask=left())]
    for loss, expected in (
        ("gram", gram(features)),
        ("sliced-wasserstein", projections(features).sort(2).values),
    ):
        targets = targets_of(extractor, image_of(1), exemplar, weights_of(style_loss=loss, **only))
        torch.testing.assert_close(targets.styles[0].statistics["relu1_1"], expected)
    found = targets_of(extractor, image_of(1), exemplar, weights_of(style_loss="nearest", **only))
    chosen = {tuple(column) for column in found.styles[0].statistics["relu1_1"][0].flatten(1).T.tolist()}
    assert chosen <= {tuple(column) for column in features[0].flatten(1).T.tolist()}


@pytest.mark.parametrize("loss", ["gram", "moments", "wasserstein", "nearest"])
def test_a_uniform_mask_applies_to_the_whole_image(extractor: VGGFeatures, loss: str) -> None:
    style, image = image_of(2), image_of(4)
    everywhere = torch.full((1, 1, 37, 45), 1.0, dtype=torch.float64)
    even = StyleExemplar((style,), 1, everywhere, everywhere)
    expected = parts(extractor, [StyleExemplar((style,))], image, style_loss=loss)["style"].item()
    assert parts(extractor, [even], image, style_loss=loss)["style"].item() == pytest.approx(expected)


@pytest.mark.parametrize("loss", ["gram", "moments", "wasserstein", "sliced-wasserstein", "nearest"])
def test_the_gradient_of_regions_against_finite_differences(extractor: VGGFeatures, loss: str) -> None:
    weights = weights_of(style_loss=loss)
    styles = [StyleExemplar((image_of(2), image_of(5, 20, 33))), StyleExemplar((image_of(3),), 2, left(0.6))]
    objective = ReferenceObjective(extractor, targets_of(extractor, image_of(1), styles, weights), weights)
    image, direction, step = image_of(4), image_of(6) - 0.5, 1e-6
    slope = (objective(image + step * direction).loss - objective(image - step * direction).loss) / (2 * step)
    assert (objective(image).gradient * direction).sum().item() == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("loss", ["gram", "moments", "wasserstein", "nearest"])
@pytest.mark.parametrize(("tile", "final_pass"), [(16, False), (24, False), (16, True)])
def test_tiles_give_the_same_with_styles_and_regions(
    extractor: VGGFeatures, loss: str, tile: int, final_pass: bool
) -> None:
    weights = weights_of(style_loss=loss, tv_weight=3)
    styles = [
        StyleExemplar((image_of(2), image_of(5, 20, 33)), 2),
        StyleExemplar((image_of(3),), 1, left(0.6), left().flip(3)),
    ]
    tiled = TiledFeatureExtractor(extractor, Tiling.of("vgg19", TAPS, tile), torch.device("cpu"))
    image = image_of(4)
    expected, targets = (
        compute_targets(one, image_of(1), styles, weights, image=image_of(5, 37, 45), separate_layers=final_pass)
        for one in (TiledFeatureExtractor.whole(extractor, "vgg19", TAPS), tiled)
    )
    whole = ReferenceObjective(extractor, expected, weights)(image)
    found = TiledObjective(tiled, targets, weights)(image)
    assert len(tiled.tiles(image)) > 1
    assert found.loss == pytest.approx(whole.loss, rel=1e-12)
    assert float((found.gradient - whole.gradient).norm() / whole.gradient.norm()) < 1e-11


def test_a_region_that_is_empty_at_a_layer_is_refused(extractor: VGGFeatures) -> None:
    speck = torch.zeros(1, 1, 37, 45, dtype=torch.float64)
    speck[..., 36, 44] = 0.03  # the last row and column, which the poolings discard
    with pytest.raises(UsageError, match="too small or too dark"):
        targets_of(extractor, image_of(1), [StyleExemplar((image_of(2),), 1, speck)], weights_of())


def test_styles_of_the_whole_image_share_one_region(extractor: VGGFeatures) -> None:
    found: Targets = targets_of(
        extractor,
        image_of(1),
        [StyleExemplar((image_of(2),)), StyleExemplar((image_of(3),)), StyleExemplar((image_of(4),), 1, left())],
        weights_of(),
    )
    assert [style.region for style in found.styles] == [0, 0, 1]
    assert [style.weight for style in found.styles] == pytest.approx([0.5, 0.5, 24 / 45])
    assert found.regions[0] == WHOLE[0]
