"""The image that a scale starts from."""

import numpy as np
import pytest
from PIL import Image

from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.image.color import match_colors
from core.image.resize import resize
from core.multiscale.initial_image import color_matched_image, finer_initial_image, initial_image
from core.styles import StyleExemplar

RNG = np.random.default_rng(0)
CONTENT = RNG.random((1, 3, 40, 60), dtype=np.float32)
STYLE = RNG.random((1, 3, 50, 30), dtype=np.float32) ** 2


def test_every_initial_image() -> None:
    def start(**options: object) -> np.ndarray:
        return initial_image(CONTENT, [StyleExemplar((STYLE,))], TransferConfig(**options))

    noise = start(init="noise")
    np.testing.assert_array_equal(start(init="content"), CONTENT)
    np.testing.assert_array_equal(start(init="matched"), match_colors(CONTENT, STYLE).clip(0, 1))
    np.testing.assert_array_equal(start(init="noise"), noise)
    assert np.abs(start(init="noise", seed=1) - noise).mean() > 0.2
    np.testing.assert_allclose(start(init="blend", blend=0.25), 0.75 * CONTENT + 0.25 * noise, atol=1e-6)


def test_several_styles_are_blended_by_weight_and_mask() -> None:
    other = STYLE[..., ::-1, :] ** 2
    alone = [match_colors(CONTENT, style).clip(0, 1) for style in (STYLE, other)]
    mixed = color_matched_image(CONTENT, [StyleExemplar((STYLE,), 3), StyleExemplar((other,), 1)])
    np.testing.assert_allclose(mixed, 0.75 * alone[0] + 0.25 * alone[1], atol=1e-6)
    left = np.zeros_like(CONTENT[:, :1])
    left[..., : left.shape[3] // 2] = 1
    halves = color_matched_image(CONTENT, [StyleExemplar((other,), 5, left)])
    np.testing.assert_allclose(halves, np.where(left > 0, alone[1], CONTENT), atol=1e-6)


def test_an_image_file_as_initial_image_is_resized(tmp_path) -> None:
    Image.new("RGB", (90, 90), (255, 0, 51)).save(tmp_path / "red.png")
    pixels = initial_image(CONTENT, [StyleExemplar((STYLE,))], TransferConfig(init=str(tmp_path / "red.png")))
    assert pixels.shape == CONTENT.shape
    np.testing.assert_allclose(pixels.mean((0, 2, 3)), [1, 0, 0.2], atol=1e-3)


def test_an_unknown_initial_image_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="content, matched, noise, blend"):
        initial_image(CONTENT, [StyleExemplar((STYLE,))], TransferConfig(init=str(tmp_path / "contents")))


def test_a_finer_scale_starts_from_the_enlarged_result_with_the_colours_of_the_initial_image() -> None:
    initial = initial_image(CONTENT, [StyleExemplar((STYLE,))], TransferConfig())
    coarse = resize(CONTENT, (30, 20))
    enlarged = resize(coarse, (60, 40))
    np.testing.assert_array_equal(finer_initial_image(coarse, initial, TransferConfig(init="content")), enlarged)
    matched = finer_initial_image(coarse, initial, TransferConfig())
    assert matched.std() > 1.1 * enlarged.std()
    np.testing.assert_allclose(matched.mean((2, 3)), initial.mean((2, 3)), atol=0.02)
