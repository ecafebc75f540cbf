import numpy as np
import pytest

from core.arrays import Array
from core.image.color import match_colors_to
from core.multiscale.parametrization import Parametrization
from core.optim.types import Evaluation
from core.styles import StyleExemplar

RNG = np.random.default_rng(0)
PHOTOGRAPH = RNG.random((1, 3, 6, 8), dtype=np.float32) * 0.6 + 0.2
STYLE = RNG.random((1, 3, 5, 4), dtype=np.float32) ** 2
LUMA = np.array([0.299, 0.587, 0.114])


def objective(image: Array) -> Evaluation:
    """Something whose gradient is known and differs between the channels: a weighted sum of cubes."""
    weights = np.arange(1, 4, dtype=image.dtype).reshape(1, 3, 1, 1)
    return Evaluation(float((weights * image**3).sum()), 3 * weights * image**2, {})


def mask() -> np.ndarray:
    values = np.zeros((1, 1, 6, 8), np.float32)
    values[..., :4], values[..., 4:6] = 1, 0.25
    return values


CANVASES = {
    "whole": Parametrization(PHOTOGRAPH),
    "region": Parametrization(PHOTOGRAPH, paintable=mask()),
    "luminance": Parametrization(PHOTOGRAPH, luminance=True),
    "both": Parametrization(PHOTOGRAPH, luminance=True, paintable=mask()),
}


@pytest.mark.parametrize("name", CANVASES)
def test_the_gradient_is_that_of_what_the_network_sees(name: str) -> None:
    canvas = CANVASES[name]
    array = canvas.array(RNG.random(PHOTOGRAPH.shape, dtype=np.float32)).astype(np.float64)
    evaluate = canvas.wrap(objective, lambda pixels: pixels.astype(np.float64))
    direction = RNG.standard_normal(array.shape)
    step = 1e-5
    slope = (evaluate(array + step * direction).loss - evaluate(array - step * direction).loss) / (2 * step)
    assert float((evaluate(array).gradient * direction).sum()) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("name", CANVASES)
def test_what_is_delivered_is_what_the_network_saw(name: str) -> None:
    canvas = CANVASES[name]
    array = canvas.array(RNG.random(PHOTOGRAPH.shape, dtype=np.float32) * 0.1 + 0.45)
    delivered = canvas.deliver(array)
    at_network = objective(canvas.seen(delivered)).loss
    assert canvas.wrap(objective, lambda pixels: pixels)(array).loss == pytest.approx(at_network, rel=1e-4)


def test_without_a_wish_nothing_is_in_the_way() -> None:
    canvas = CANVASES["whole"]
    assert canvas.wrap(objective, lambda pixels: pixels) is objective
    assert canvas.deliver(STYLE) is canvas.array(STYLE) is canvas.seen(STYLE) is canvas.style(STYLE) is STYLE


def test_outside_every_region_the_photograph_stays() -> None:
    delivered = CANVASES["region"].deliver(np.ones_like(PHOTOGRAPH))
    np.testing.assert_array_equal(delivered[..., :4], 1)
    np.testing.assert_allclose(delivered[..., 4:6], 0.25 + 0.75 * PHOTOGRAPH[..., 4:6], rtol=1e-6)
    np.testing.assert_array_equal(delivered[..., 6:], PHOTOGRAPH[..., 6:])


def test_a_style_everywhere_paints_everywhere() -> None:
    inside, everywhere = StyleExemplar((STYLE,), mask=mask()), StyleExemplar((STYLE,))
    assert Parametrization.of(PHOTOGRAPH, [inside, everywhere], luminance=False).paintable is None
    np.testing.assert_array_equal(
        Parametrization.of(
            PHOTOGRAPH, [inside, StyleExemplar((STYLE,), mask=mask()[..., ::-1])], luminance=False
        ).paintable,
        np.maximum(mask(), mask()[..., ::-1]),
    )


def test_only_the_luminance_is_painted() -> None:
    canvas = CANVASES["luminance"]
    painted = canvas.deliver(canvas.array(PHOTOGRAPH) + 0.1)
    np.testing.assert_allclose(painted - PHOTOGRAPH, 0.1, atol=1e-5)
    np.testing.assert_allclose(canvas.deliver(canvas.array(PHOTOGRAPH)), PHOTOGRAPH, atol=1e-6)
    np.testing.assert_allclose(canvas.content[0, 1], np.tensordot(LUMA, PHOTOGRAPH[0], 1), rtol=1e-5)


def test_the_styles_luminance_is_as_bright_and_contrasty_as_the_photographs() -> None:
    style = CANVASES["luminance"].style(STYLE * 0.2 + 0.4)
    expected = np.tensordot(LUMA, PHOTOGRAPH[0], 1)
    assert (style[:, 0] == style[:, 2]).all()
    assert style.mean() == pytest.approx(expected.mean(), abs=0.01)
    assert style.std() == pytest.approx(expected.std(), abs=0.01)


def test_a_style_in_the_colours_of_the_photograph() -> None:
    matched = match_colors_to(STYLE * 0.2 + 0.4, PHOTOGRAPH * 0.2 + 0.4)
    target = (PHOTOGRAPH * 0.2 + 0.4)[0].reshape(3, -1)
    np.testing.assert_allclose(matched[0].reshape(3, -1).mean(1), target.mean(1), atol=1e-4)
    np.testing.assert_allclose(np.cov(matched[0].reshape(3, -1)), np.cov(target), atol=1e-4)
