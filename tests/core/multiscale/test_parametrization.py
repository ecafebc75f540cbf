"""Parameters, network input and output image of every parametrization."""

import numpy as np
import pytest

from core.arrays import Array
from core.multiscale.parametrization import Parametrization
from core.optim.types import Evaluation
from core.styles import StyleExemplar

RNG = np.random.default_rng(0)
CONTENT = RNG.random((1, 3, 6, 8), dtype=np.float32) * 0.6 + 0.2
STYLE = RNG.random((1, 3, 5, 4), dtype=np.float32) ** 2
LUMA = np.array([0.299, 0.587, 0.114])


def objective(image: Array) -> Evaluation:
    """A weighted sum of cubes: its gradient is known and differs between the channels."""
    weights = np.arange(1, 4, dtype=image.dtype).reshape(1, 3, 1, 1)
    return Evaluation(float((weights * image**3).sum()), 3 * weights * image**2, {})


def mask() -> np.ndarray:
    values = np.zeros((1, 1, 6, 8), np.float32)
    values[..., :4], values[..., 4:6] = 1, 0.25
    return values


PARAMETRIZATIONS = {
    "whole": Parametrization(CONTENT),
    "region": Parametrization(CONTENT, mask=mask()),
    "luminance": Parametrization(CONTENT, luminance_only=True),
    "both": Parametrization(CONTENT, luminance_only=True, mask=mask()),
    "padded": Parametrization(CONTENT, padding=2),
    "all": Parametrization(CONTENT, luminance_only=True, mask=mask(), padding=5),
}


@pytest.mark.parametrize("name", PARAMETRIZATIONS)
def test_gradients_against_finite_differences(name: str) -> None:
    parametrization = PARAMETRIZATIONS[name]
    parameters = parametrization.to_parameters(RNG.random(CONTENT.shape, dtype=np.float32)).astype(np.float64)
    evaluate = parametrization.compose_with(objective, lambda pixels: pixels.astype(np.float64))
    direction = RNG.standard_normal(parameters.shape)
    step = 1e-5
    slope = (evaluate(parameters + step * direction).loss - evaluate(parameters - step * direction).loss) / (2 * step)
    assert float((evaluate(parameters).gradient * direction).sum()) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("name", PARAMETRIZATIONS)
def test_the_output_image_has_the_loss_of_its_parameters(name: str) -> None:
    parametrization = PARAMETRIZATIONS[name]
    parameters = parametrization.to_parameters(RNG.random(CONTENT.shape, dtype=np.float32) * 0.1 + 0.45)
    output = parametrization.to_image(parameters)
    at_network = objective(parametrization.to_network_input(output)).loss
    assert parametrization.compose_with(objective, lambda pixels: pixels)(parameters).loss == pytest.approx(
        at_network, rel=1e-4
    )


def test_the_default_parametrization_is_the_identity() -> None:
    parametrization = PARAMETRIZATIONS["whole"]
    assert parametrization.compose_with(objective, lambda pixels: pixels) is objective
    assert (
        parametrization.to_image(STYLE)
        is parametrization.to_parameters(STYLE)
        is parametrization.to_network_input(STYLE)
        is parametrization.recolor_style(STYLE)
        is STYLE
    )


def test_the_content_image_remains_outside_the_mask() -> None:
    output = PARAMETRIZATIONS["region"].to_image(np.ones_like(CONTENT))
    np.testing.assert_array_equal(output[..., :4], 1)
    np.testing.assert_allclose(output[..., 4:6], 0.25 + 0.75 * CONTENT[..., 4:6], rtol=1e-6)
    np.testing.assert_array_equal(output[..., 6:], CONTENT[..., 6:])


def test_masks_of_several_styles_are_united() -> None:
    inside, everywhere = StyleExemplar((STYLE,), mask=mask()), StyleExemplar((STYLE,))
    assert Parametrization.of(CONTENT, [inside, everywhere], luminance_only=False).mask is None
    np.testing.assert_array_equal(
        Parametrization.of(
            CONTENT, [inside, StyleExemplar((STYLE,), mask=mask()[..., ::-1])], luminance_only=False
        ).mask,
        np.maximum(mask(), mask()[..., ::-1]),
    )


def test_luminance_changes_no_chrominance() -> None:
    parametrization = PARAMETRIZATIONS["luminance"]
    output = parametrization.to_image(parametrization.to_parameters(CONTENT) + 0.1)
    np.testing.assert_allclose(output - CONTENT, 0.1, atol=1e-5)
    np.testing.assert_allclose(parametrization.to_image(parametrization.to_parameters(CONTENT)), CONTENT, atol=1e-6)
    np.testing.assert_allclose(parametrization.content[0, 1], np.tensordot(LUMA, CONTENT[0], 1), rtol=1e-5)


def test_the_luminance_of_a_style_gets_the_mean_and_deviation_of_the_content() -> None:
    style = PARAMETRIZATIONS["luminance"].recolor_style(STYLE * 0.2 + 0.4)
    expected = np.tensordot(LUMA, CONTENT[0], 1)
    assert (style[:, 0] == style[:, 2]).all()
    assert style.mean() == pytest.approx(expected.mean(), abs=0.01)
    assert style.std() == pytest.approx(expected.std(), abs=0.01)
