"""Several styles and their regions in the objective, whole and in tiles."""

import pytest
import torch
from torch import Tensor

from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.memory.tiling import Tiling
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import load_weights
from core.objective.losses import gram, moments
from core.objective.objective import ReferenceObjective, Targets, compute_targets
from core.objective.tiled import TiledFeatures, TiledObjective, compute_tiled_targets
from core.objective.weights import LossWeights
from core.styles import StyleExemplar

TAPS = ("relu1_1", "relu3_1")
OPTIONS = {"content_layers": "relu3_1", "style_layers": TAPS, "style_weight": (0.3, 0.7)}


@pytest.fixture(scope="module")
def extractor() -> VGGFeatures:
    return load_vgg_features(load_weights("vgg19"), TAPS).double()


def picture(seed: int, height: int = 37, width: int = 45) -> Tensor:
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def left(share: float = 1.0) -> Tensor:
    mask = torch.zeros(1, 1, 37, 45, dtype=torch.float64)
    mask[..., :24] = share
    return mask


def terms(**options: object) -> LossWeights:
    return LossWeights.of(TransferConfig(**(OPTIONS | options)), activation_scale=57.6)


def parts(
    extractor: VGGFeatures, styles: Tensor | list[StyleExemplar], image: Tensor, **options: object
) -> dict[str, Tensor]:
    weights = terms(**options)
    return ReferenceObjective(extractor, compute_targets(extractor, picture(1), styles, weights), weights).parts(image)


def test_a_mixture_of_styles_is_the_mixture_of_their_losses(extractor: VGGFeatures) -> None:
    first, second, image = picture(2, 40, 30), picture(3, 30, 52), picture(4)
    alone = [parts(extractor, style, image)["style"] for style in (first, second)]
    mixed = parts(extractor, [StyleExemplar((first,), 3), StyleExemplar((second,), 1)], image)["style"]
    assert mixed.item() == pytest.approx((0.75 * alone[0] + 0.25 * alone[1]).item())


def test_pictures_of_one_style_are_averaged_by_area(extractor: VGGFeatures) -> None:
    first, second = picture(2, 32, 32), picture(3, 32, 64)
    for loss, statistic in (("gram", gram), ("wasserstein", moments)):
        weights = terms(style_loss=loss)
        targets = compute_targets(extractor, picture(1), [StyleExemplar((first, second))], weights)
        alone = [statistic(extractor(style)["relu1_1"]) for style in (first, second)]
        expected = (alone[0] + 2 * alone[1]) / 3
        found = targets.styles[0].statistics["relu1_1"]
        if loss == "gram":
            assert torch.allclose(found, expected)
        else:  # the square root of the covariance, and the means
            mean, root = found[..., -1], found[..., :-1]
            assert torch.allclose(mean, expected[..., -1])
            covariance = expected[..., :-1] - mean.unsqueeze(2) * mean.unsqueeze(1)
            assert torch.allclose(root @ root, covariance, atol=1e-8 * float(covariance.abs().max()))


def test_a_region_is_judged_by_what_is_in_it(extractor: VGGFeatures) -> None:
    """relu1_1 has every pixel: the Gram matrix of the left half is that of the masked picture, whatever is outside."""
    style, image = picture(2), picture(4)
    only = {"style_layers": "relu1_1", "style_weight": 1}
    found = parts(extractor, [StyleExemplar((style,), mask=left())], image, **only)["style"]
    features = extractor(image)["relu1_1"][..., :24]
    target = gram(extractor(style)["relu1_1"])
    expected = (gram(features) - target).square().mean() / 57.6**4
    assert found.item() == pytest.approx((24 / 45 * expected).item())


@pytest.mark.parametrize("loss", ["gram", "wasserstein"])
def test_a_mask_of_any_even_brightness_is_everywhere(extractor: VGGFeatures, loss: str) -> None:
    style, image = picture(2), picture(4)
    even = StyleExemplar((style,), 1, torch.full((1, 1, 37, 45), 1.0, dtype=torch.float64))
    expected = parts(extractor, style, image, style_loss=loss)["style"].item()
    assert parts(extractor, [even], image, style_loss=loss)["style"].item() == pytest.approx(expected)


@pytest.mark.parametrize("loss", ["gram", "wasserstein", "sliced-wasserstein"])
def test_the_gradient_of_regions_against_finite_differences(extractor: VGGFeatures, loss: str) -> None:
    weights = terms(style_loss=loss)
    styles = [StyleExemplar((picture(2), picture(5, 20, 33))), StyleExemplar((picture(3),), 2, left(0.6))]
    objective = ReferenceObjective(extractor, compute_targets(extractor, picture(1), styles, weights), weights)
    image, direction, step = picture(4), picture(6) - 0.5, 1e-6
    slope = (objective(image + step * direction).loss - objective(image - step * direction).loss) / (2 * step)
    assert (objective(image).gradient * direction).sum().item() == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("loss", ["gram", "wasserstein"])
@pytest.mark.parametrize("tile", [16, 24])
def test_tiles_give_the_same_with_styles_and_regions(extractor: VGGFeatures, loss: str, tile: int) -> None:
    weights = terms(style_loss=loss, tv_weight=3)
    styles = [StyleExemplar((picture(2), picture(5, 20, 33)), 2), StyleExemplar((picture(3),), 1, left(0.6))]
    tiled = TiledFeatures(extractor, Tiling.of("vgg19", TAPS, tile), torch.device("cpu"))
    image = picture(4)
    whole = ReferenceObjective(extractor, compute_targets(extractor, picture(1), styles, weights), weights)(image)
    found = TiledObjective(tiled, compute_tiled_targets(tiled, picture(1), styles, weights), weights)(image)
    assert len(tiled.tiles(image)) > 1
    assert found.loss == pytest.approx(whole.loss, rel=1e-12)
    assert float((found.gradient - whole.gradient).norm() / whole.gradient.norm()) < 1e-11


def test_a_region_that_no_layer_sees_is_refused(extractor: VGGFeatures) -> None:
    speck = torch.zeros(1, 1, 37, 45, dtype=torch.float64)
    speck[..., 36, 44] = 0.03  # the last row and column, which the poolings round away
    with pytest.raises(UsageError, match="region is too small"):
        compute_targets(extractor, picture(1), [StyleExemplar((picture(2),), 1, speck)], terms())


def test_targets_hold_one_region_for_all_styles_that_are_everywhere(extractor: VGGFeatures) -> None:
    found: Targets = compute_targets(
        extractor,
        picture(1),
        [StyleExemplar((picture(2),)), StyleExemplar((picture(3),)), StyleExemplar((picture(4),), 1, left())],
        terms(),
    )
    assert [style.region for style in found.styles] == [0, 0, 1]
    assert [style.weight for style in found.styles] == pytest.approx([0.5, 0.5, 24 / 45])
    assert found.regions[0] is None
