"""Strength, colour preservation, several styles and regions, in small runs."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core import StyleTransferError, TransferConfig, UsageError, stylize
from core.backends.torch_backend import TorchBackend
from core.image.reading import read_image
from core.image.resize import resize
from core.multiscale.preparation import GRADIENT_RATIO_AT_HALF, comparison_image, normalize_strength, prepare
from core.multiscale.schedule import build_schedule
from core.optim.types import root_mean_square
from core.styles import Style, StyleExemplar

tiny = pytest.mark.usefixtures("tiny_vgg")
"""For tests of which the result does not depend on what the network has learned."""

QUICK = TransferConfig(image_size=64, iterations=8, reference_size=64)
LUMA = np.array([0.299, 0.587, 0.114])


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Masks of the left half and of the right half."""
    folder = tmp_path_factory.mktemp("masks")
    mask = np.zeros((40, 40), np.uint8)
    mask[:, :20] = 255
    for name, values in (("left", mask), ("right", 255 - mask)):
        Image.fromarray(values).save(folder / f"{name}.png")
    return folder / "left.png", folder / "right.png"


def distances(result: Any, content: Path) -> np.ndarray:
    """The difference from the content image at each pixel, (H, W)."""
    content_image = resize(read_image(content).pixels, result.pixels.shape[:1:-1])
    return np.abs(result.pixels - content_image).mean((0, 1))


def edge_grain(pixels: np.ndarray) -> float:
    """The mean squared Laplacian of an image (1, 3, H, W) in the 16 pixels along its edges."""
    neighbours = pixels[..., :-2, 1:-1] + pixels[..., 2:, 1:-1] + pixels[..., 1:-1, :-2] + pixels[..., 1:-1, 2:]
    squared = (4 * pixels[..., 1:-1, 1:-1] - neighbours) ** 2
    squared[..., 15:-15, 15:-15] = np.nan
    return float(np.nanmean(squared))


@tiny
@pytest.mark.parametrize("size", [48, 96])
def test_the_default_halves_the_differences_of_the_gradient_ratio(
    content_path: Path, style_path: Path, size: int
) -> None:
    config = TransferConfig(image_size=size, scales=1, tv_weight=0)
    backend = TorchBackend(config)
    content, style = read_image(content_path).pixels, StyleExemplar((read_image(style_path).pixels,))
    (scale,) = build_schedule((96, 64), [(72, 80)], config)
    plan = backend.plan(*scale.network_sizes)
    to_array = partial(backend.to_array, plan=plan)
    parametrization, exemplars = prepare(content, [style], scale, config)
    network_input = parametrization.to_network_input
    image = to_array(network_input(comparison_image(parametrization.content, exemplars)))
    network_exemplars = [parametrization.exemplar_to_network_input(one) for one in exemplars]
    objective = backend.objective(network_input(parametrization.content_image), network_exemplars, plan)
    normalised = normalize_strength(objective, parametrization, exemplars, to_array, scale, config)
    before, after = (
        root_mean_square(one.scaled(content=0)(image).gradient) / root_mean_square(one.scaled(style=0)(image).gradient)
        for one in (objective, normalised)
    )
    relative_size = size / config.reference_size
    expected = (GRADIENT_RATIO_AT_HALF * before) ** 0.5 * relative_size**config.content_scaling
    assert after == pytest.approx(expected, rel=1e-3)


@tiny
@pytest.mark.parametrize(("strength", "factor"), [(None, 1.0), (0.8, 1.0), (0.2, 16.0), (0.0, 0.0)])
def test_total_variation_follows_the_larger_weight_and_the_scale(strength: float | None, factor: float) -> None:
    """`factor` is the ratio of its factor and that of the style."""
    fixed = {"style_weight": 0.1, "tv_weight": 4.0} if strength is None else {"strength": strength, "tv_weight": 4.0}
    config = TransferConfig(image_size=32, scales=1, reference_size=128, tv_scaling=1.5, padding=0, **fixed)
    image, other = np.random.default_rng(0).random((2, 1, 3, 32, 32), np.float32)
    exemplar = StyleExemplar((other**2,))
    (scale,) = build_schedule((32, 32), [(32, 32)], config)
    backend = TorchBackend(config)
    plan = backend.plan(*scale.network_sizes)
    to_array = partial(backend.to_array, plan=plan)
    parametrization, exemplars = prepare(image, [exemplar], scale, config)
    objective = backend.objective(parametrization.content_image, exemplars, plan)
    scaled = normalize_strength(objective, parametrization, exemplars, to_array, scale, config)
    # One image is evaluated with both: the ratio of its terms is that of the weights.
    before, after = (one(to_array(other)).parts for one in (objective, scaled))
    style, tv = (after.get(part, 0.0) / before[part] for part in ("style", "tv"))  # a part of weight 0 is left out
    assert tv == pytest.approx(factor * 4**1.5 * style, rel=1e-5)


def test_more_strength_lowers_the_style_loss_and_raises_the_content_loss(content_path: Path, style_path: Path) -> None:
    """All results are evaluated with one objective, that of the default weights."""
    config = QUICK.with_options(iterations=40, init="content", padding=0, tv_weight=0)
    backend = TorchBackend(QUICK)
    content, style = (read_image(path).pixels for path in (content_path, style_path))
    plan = backend.plan((64, 43), (58, 64))
    evaluate = backend.objective(resize(content, (64, 43)), [StyleExemplar((resize(style, (58, 64)),))], plan)
    found = []
    for strength in (0.0, 0.1, 0.3, 1.0):
        result = stylize(content_path, style_path, config.with_options(strength=strength))
        found.append(evaluate(backend.to_array(result.pixels, plan)).parts)
    assert [parts["content"] for parts in found] == sorted(parts["content"] for parts in found)
    assert [parts["style"] for parts in found] == sorted((parts["style"] for parts in found), reverse=True)
    assert found[0]["content"] < 1e-3 * found[-1]["content"]


def test_total_variation_removes_grain_along_the_edges(content_path: Path, style_path: Path) -> None:
    """Without it each of many evaluations at one size adds coloured grain."""
    layers = {"content_layers": "relu3_1", "style_layers": "relu1_1,relu2_1,relu3_1"}
    config = TransferConfig(image_size=48, iterations=50, **layers)
    with_grain, default = (
        stylize(content_path, style_path, config.with_options(tv_weight=weight)).pixels for weight in (0, None)
    )
    assert edge_grain(default) < edge_grain(with_grain) / 2


@tiny
def test_two_styles_differ_from_each_of_them(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    Image.linear_gradient("L").convert("RGB").resize((64, 64)).save(tmp_path / "grey.png")
    both = stylize(content_path, [Style((style_path,), 0.5), Style((tmp_path / "grey.png",), 0.5)], QUICK)
    first, second = (stylize(content_path, path, QUICK) for path in (style_path, tmp_path / "grey.png"))
    assert np.abs(both.pixels - first.pixels).mean() > 0.02
    assert np.abs(both.pixels - second.pixels).mean() > 0.02
    assert [style["weight"] for style in both.record["styles"]] == [0.5, 0.5]


@tiny
def test_the_content_image_remains_outside_the_regions(
    content_path: Path, style_path: Path, halves: tuple[Path, Path]
) -> None:
    result = stylize(content_path, Style((style_path,), region=halves[0]), QUICK)
    distance = distances(result, content_path)
    assert distance[:, :28].mean() > 0.03
    assert distance[:, 36:].max() < 1e-6
    assert result.record["styles"][0]["region"]["path"] == str(halves[0])


@tiny
def test_every_region_gets_its_style(content_path: Path, style_path: Path, halves: tuple[Path, Path]) -> None:
    red = Image.new("RGB", (64, 64), (230, 20, 20))
    config = QUICK.with_options(iterations=12)
    styles = [Style((style_path,), region=halves[0]), Style((red,), region=halves[1])]
    result = stylize(content_path, styles, config).pixels
    redness = result[0, 0] - result[0, 1:].mean(0)
    assert redness[:, 36:].mean() > redness[:, :28].mean() + 0.2


def test_luminance_keeps_the_chrominance(content_path: Path, style_path: Path) -> None:
    result = stylize(content_path, style_path, QUICK.with_options(preserve_color="luminance"))
    content_image = resize(read_image(content_path).pixels, (64, 43))
    inside = ((result.pixels > 0) & (result.pixels < 1)).all(1)[0]
    chroma, expected = (
        pixels[0] - np.tensordot(LUMA, pixels[0], 1) for pixels in (result.pixels.astype(float), content_image)
    )
    assert inside.mean() > 0.5
    np.testing.assert_allclose(chroma[:, inside], expected[:, inside], atol=1e-4)
    assert distances(result, content_path).mean() > 0.02


@tiny
def test_the_delivered_loss_of_luminance_is_near_the_last_loss(content_path: Path, style_path: Path) -> None:
    """Only the rounding of the saved image and the limits of RGB separate the two."""
    # With the default weights the first layer dominates, whose loss changes most by these two.
    weights = {"style_weight": (100.0, 25.0, 6.0, 1.5, 1.5), "tv_weight": 4000.0, "strength": 0.5}
    record = stylize(content_path, style_path, QUICK.with_options(preserve_color="luminance", **weights)).record
    assert record["delivered"]["loss"] == pytest.approx(record["losses"][-1]["loss"], rel=0.05)


@tiny
def test_match_gives_the_result_the_mean_colour_of_the_content(content_path: Path, style_path: Path) -> None:
    content_image = resize(read_image(content_path).pixels, (64, 43))
    off = {
        keep: np.abs(
            stylize(content_path, style_path, QUICK.with_options(preserve_color=keep)).pixels.mean((0, 2, 3))
            - content_image.mean((0, 2, 3))
        ).max()
        for keep in ("none", "match")
    }
    assert off["match"] < 0.06 < off["none"]


@tiny
def test_the_sliced_wasserstein_loss_decreases(content_path: Path, style_path: Path) -> None:
    losses = stylize(content_path, style_path, QUICK.with_options(style_loss="sliced-wasserstein")).losses
    assert losses[-1]["loss"] < 0.9 * losses[0]["loss"]


@tiny
def test_the_sliced_wasserstein_loss_is_refused_with_tiles(content_path: Path, style_path: Path) -> None:
    with pytest.raises(UsageError, match="sliced-wasserstein needs the whole image at once"):
        QUICK.with_options(style_loss="sliced-wasserstein", tile_size=32)
    with pytest.raises(StyleTransferError, match=r"out of memory|of memory"):
        stylize(content_path, style_path, QUICK.with_options(style_loss="sliced-wasserstein", max_memory="600MB"))


@tiny
@pytest.mark.parametrize("strength", [-0.1, 1.5, "much"])
def test_a_strength_out_of_range_is_refused(strength: object) -> None:
    with pytest.raises(UsageError, match=r"--strength is .*expected a number from 0 to 1"):
        TransferConfig(strength=strength)
