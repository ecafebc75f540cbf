"""Style targets without PyTorch, and the sentence where PyTorch is missing."""

import sys

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from core.backends.onnx_targets import gram, moments, resized_mask, style_targets
from core.config.style_losses import STYLE_LOSSES
from core.errors import UsageError
from core.objective.gram import gram as torch_gram
from core.objective.moments import MomentsLoss
from core.objective.moments import moments as torch_moments
from core.styles import StyleExemplar
from support.toy_losses import COLUMN_OF_MEANS


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).random(shape, np.float32)


def extract(pixels: np.ndarray) -> dict[str, np.ndarray]:
    return {"relu1_1": pixels}


def test_gram_equals_that_of_pytorch() -> None:
    features = random(1, 5, 7, 9)
    np.testing.assert_allclose(gram(features), torch_gram(torch.from_numpy(features)), rtol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_moments_equal_those_of_pytorch(masked: bool) -> None:
    features, mask = random(1, 5, 7, 9), random(1, 1, 7, 9) if masked else None
    expected = torch_moments(torch.from_numpy(features), None if mask is None else torch.from_numpy(mask))
    np.testing.assert_allclose(moments(features, mask), expected, rtol=1e-6)


def moments_loss(image: np.ndarray, style: np.ndarray) -> float:
    """The loss of PyTorch."""
    return float(MomentsLoss().loss(*(torch_moments(torch.from_numpy(features)) for features in (image, style))))


def distance_of_parts(image: np.ndarray, target: np.ndarray, factors: np.ndarray) -> float:
    """The weighted mean squared differences of covariances and means from a target (C, C + 1)."""
    flat = image[0].reshape(image.shape[1], -1)
    differences = np.cov(flat, bias=True) - target[:, :-1], flat.mean(1) - target[:, -1]
    return float(sum(factor * np.mean(part**2) for factor, part in zip(factors, differences, strict=True)))


def test_moments_of_several_styles_have_a_common_target_and_its_spread() -> None:
    """The mean of the losses of PyTorch for two styles whose variances differ, the second one in a region too."""
    first, second, image = random(1, 3, 4, 5), 0.3 * random(1, 3, 6, 4), random(1, 3, 8, 8)
    mask = np.ones((1, 1, 8, 8), np.float32)
    exemplars = [StyleExemplar((first,), 3.0), StyleExemplar((second,), 1.0), StyleExemplar((second,), 5.0, mask)]
    found = style_targets("moments", ["relu1_1"], exemplars, extract, image, image)
    targets, factors, spread = found.targets["relu1_1"], found.factors["relu1_1"], found.spreads["relu1_1"]
    assert (targets.shape, factors.shape) == ((2, 3, 4), (2, 2))
    of_first, of_second = moments_loss(image, first), moments_loss(image, second)
    common, of_region = (distance_of_parts(image, *region) for region in zip(targets, factors, strict=True))
    assert common + spread == pytest.approx(0.75 * of_first + 0.25 * of_second, rel=1e-5)
    assert of_region == pytest.approx(of_second, rel=1e-5)
    assert found.weights == pytest.approx([1, 5])
    assert spread > 0


def test_several_styles_have_the_mean_target_and_its_spread() -> None:
    """The mean of the squared distances from two matrices, computed directly."""
    first, second, image = random(1, 3, 4, 5), random(1, 3, 6, 4), random(1, 3, 8, 8)
    exemplars = [StyleExemplar((first,), 3.0), StyleExemplar((second,), 1.0)]
    found = style_targets("gram", ["relu1_1"], exemplars, extract, image, image)
    target, spread = found.targets["relu1_1"], found.spreads["relu1_1"]
    direct = 0.75 * np.mean((gram(image) - gram(first)) ** 2) + 0.25 * np.mean((gram(image) - gram(second)) ** 2)
    assert np.mean((gram(image) - target) ** 2) + spread == pytest.approx(direct, rel=1e-5)
    assert spread > 0


def test_images_of_one_style_are_weighted_by_their_areas() -> None:
    first, second = random(1, 3, 4, 5), random(1, 3, 6, 10)
    found = style_targets("gram", ["relu1_1"], [StyleExemplar((first, second))], extract, first, first)
    np.testing.assert_allclose(found.targets["relu1_1"], 0.25 * gram(first) + 0.75 * gram(second), rtol=1e-6)
    assert found.spreads == {"relu1_1": 0}


def test_each_mask_is_a_region_after_the_whole_image() -> None:
    first, second, content = random(1, 3, 4, 5), random(1, 3, 6, 4), random(1, 3, 8, 8)
    mask = np.zeros((1, 1, 8, 8), np.float32)
    mask[..., 4:] = 0.5
    exemplars = [StyleExemplar((first,), 2.0, mask), StyleExemplar((second,), 7.0), StyleExemplar((first,))]
    found = style_targets("gram", ["relu1_1"], exemplars, extract, content, content)
    assert found.weights == pytest.approx([1, 2 * 0.25])
    whole = (7 * gram(second) + gram(first)) / 8
    np.testing.assert_allclose(found.targets["relu1_1"], np.concatenate([whole, gram(first)]), rtol=1e-6)
    np.testing.assert_array_equal(found.masks["relu1_1"][0], np.ones((1, 8, 8)))
    np.testing.assert_array_equal(found.masks["relu1_1"][1], mask[0] / 0.25)
    assert found.spreads["relu1_1"] > 0


def test_the_statistic_of_another_loss_comes_from_its_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STYLE_LOSSES, COLUMN_OF_MEANS.name, COLUMN_OF_MEANS)
    image = random(1, 3, 8, 8)
    found = style_targets(COLUMN_OF_MEANS.name, ["relu1_1"], [StyleExemplar((image,))], extract, image, image)
    np.testing.assert_allclose(found.targets["relu1_1"], image.reshape(1, 3, 64).mean(2, keepdims=True), rtol=1e-6)


def test_a_loss_that_cannot_be_exported_is_refused() -> None:
    image = random(1, 3, 8, 8)
    with pytest.raises(UsageError, match="with the style loss wasserstein cannot be exported: use gram, moments or "):
        style_targets("wasserstein", ["relu1_1"], [StyleExemplar((image,))], extract, image, image)


@pytest.mark.parametrize("size", [(4, 5), (3, 2), (9, 7), (1, 1)])
def test_masks_are_averaged_like_those_of_pytorch(size: tuple[int, int]) -> None:
    mask = random(1, 1, 9, 7)
    small = interpolate(torch.from_numpy(mask), size=size, mode="area")
    np.testing.assert_allclose(resized_mask(mask, size, "style"), small / small.mean(), rtol=1e-5)
    features = random(1, 4, *size)
    expected = torch_gram(torch.from_numpy(features), small / small.mean())
    np.testing.assert_allclose(gram(features, resized_mask(mask, size, "style")), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", ["style", "region"])
def test_empty_mask_is_refused(kind: str) -> None:
    with pytest.raises(UsageError, match=rf"^a {kind} mask is too small or too dark for the deepest layer: enlarge"):
        resized_mask(np.zeros((1, 1, 8, 8), np.float32), (2, 2), kind)


def test_position_targets_need_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    image = random(1, 3, 8, 8)
    with pytest.raises(
        UsageError,
        match=r"^the targets of the style loss nearest need PyTorch, which is not installed: pip install torch, or use "
        r"an objective with the style loss gram or moments$",
    ):
        style_targets("nearest", ["relu1_1"], [StyleExemplar((image,))], extract, image, image)
