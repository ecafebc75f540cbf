import numpy as np
import pytest
from PIL import Image

from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.image.color import match_color_bands
from core.image.resize import resize
from core.memory.plan import estimate_memory
from core.multiscale.initial_image import color_matched_image, initial_image, upsample_with_detail
from core.multiscale.schedule import Scale, build_schedule, fraction_done
from core.styles import StyleExemplar

RNG = np.random.default_rng(0)
CONTENT = RNG.random((1, 3, 40, 60), dtype=np.float32)
STYLE = RNG.random((1, 3, 50, 30), dtype=np.float32) ** 2


def sizes(content: tuple[int, int], **options: object) -> list[tuple[int, int]]:
    return [scale.size for scale in build_schedule(content, [(600, 600)], TransferConfig(**options))]


def test_the_coarsest_scale_keeps_the_content_readable() -> None:
    assert sizes((2000, 1000), image_size=1024) == [(256, 128), (512, 256), (1024, 512)]
    assert sizes((2000, 1000), image_size=384) == [(192, 96), (384, 192)]
    assert sizes((2000, 1000), image_size=380) == [(380, 190)]


def test_scales_can_be_counted_out() -> None:
    assert sizes((2000, 1000), image_size=1024, scales=1) == [(1024, 512)]
    assert sizes((2000, 1000), image_size=256, scales=3) == [(64, 32), (128, 64), (256, 128)]


def test_no_scale_is_too_small_for_the_network() -> None:
    assert sizes((2000, 1000), image_size=64, scales=9) == [(32, 16), (64, 32)]


def test_crowsons_sizes() -> None:
    config = TransferConfig.preset("crowson")
    found = [scale.size[0] for scale in build_schedule((512, 512), [(512, 512)], config)]
    assert found == [128, 181, 256, 362, 512]


def test_the_short_side_is_exact_and_the_style_keeps_its_shape() -> None:
    (scale,) = build_schedule((640, 480), [(300, 900)], TransferConfig.preset("firekind"))
    assert scale == Scale(size=(683, 512), style_sizes=((512, 1536),), evaluations=520)


def test_the_evaluations_are_shared_out_whole() -> None:
    plan = build_schedule((1024, 1024), [(1024, 1024)], TransferConfig(image_size=1024, iterations=100))
    assert [scale.evaluations for scale in plan] == [33, 33, 34]
    assert len(build_schedule((1024, 1024), [(1024, 1024)], TransferConfig(image_size=1024, iterations=2))) == 2


def test_a_picture_too_flat_for_the_network_is_refused() -> None:
    with pytest.raises(UsageError, match="16"):
        build_schedule((2000, 40), [(600, 600)], TransferConfig(image_size=512))


def test_work_counts_pixels() -> None:
    scales = [Scale((10, 10), (9, 9), 10), Scale((20, 20), (9, 9), 10)]
    assert [fraction_done(scales, n) for n in (0, 10, 15, 20)] == [0, 0.2, 0.6, 1]


def test_memory_grows_with_the_pixels() -> None:
    config = TransferConfig()
    small, large = estimate_memory((256, 256), config), estimate_memory((512, 512), config)
    assert 1 < large / small < 4


def test_every_start() -> None:
    def start(**options: object) -> np.ndarray:
        return initial_image(CONTENT, [StyleExemplar((STYLE,))], TransferConfig(**options))

    noise = start(init="noise")
    np.testing.assert_array_equal(start(init="content"), CONTENT)
    np.testing.assert_array_equal(start(init="matched"), match_color_bands(CONTENT, STYLE))
    np.testing.assert_array_equal(start(init="noise"), noise)
    assert np.abs(start(init="noise", seed=1) - noise).mean() > 0.2
    np.testing.assert_allclose(start(init="blend", blend=0.25), 0.75 * CONTENT + 0.25 * noise, atol=1e-6)


def test_several_styles_are_mixed_as_they_are_wanted_at_each_pixel() -> None:
    other = STYLE[..., ::-1, :] ** 2
    alone = [match_color_bands(CONTENT, style) for style in (STYLE, other)]
    mixed = color_matched_image(CONTENT, [StyleExemplar((STYLE,), 3), StyleExemplar((other,), 1)])
    np.testing.assert_allclose(mixed, 0.75 * alone[0] + 0.25 * alone[1], atol=1e-6)
    left = np.zeros_like(CONTENT[:, :1])
    left[..., : left.shape[3] // 2] = 1
    halves = color_matched_image(CONTENT, [StyleExemplar((other,), 5, left)])
    np.testing.assert_allclose(halves, np.where(left > 0, alone[1], CONTENT), atol=1e-6)


def test_the_scale_of_a_style_is_beside_that_of_the_painting() -> None:
    (scale,) = build_schedule((640, 480), [(300, 300)], TransferConfig(image_size=256, style_scale=1.5, scales=1))
    assert (scale.size, scale.style_sizes) == ((256, 192), ((384, 384),))
    with pytest.raises(UsageError, match=r"--style-scale 0\.05 makes a style 13 px small"):
        build_schedule((640, 480), [(300, 300)], TransferConfig(image_size=256, style_scale=0.05))


def test_a_picture_as_start_is_fitted(tmp_path) -> None:
    Image.new("RGB", (90, 90), (255, 0, 51)).save(tmp_path / "red.png")
    pixels = initial_image(CONTENT, [StyleExemplar((STYLE,))], TransferConfig(init=str(tmp_path / "red.png")))
    assert pixels.shape == CONTENT.shape
    np.testing.assert_allclose(pixels.mean((0, 2, 3)), [1, 0, 0.2], atol=1e-3)


def test_a_start_that_is_no_picture_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="content, matched, noise, blend"):
        initial_image(CONTENT, [StyleExemplar((STYLE,))], TransferConfig(init=str(tmp_path / "contents")))


def test_refining_keeps_the_coarse_painting_and_takes_only_details_from_the_start() -> None:
    start = RNG.random((1, 3, 64, 96), dtype=np.float32) * 0.5 + 0.25
    coarse = resize(start, (48, 32))
    np.testing.assert_allclose(upsample_with_detail(coarse, start), start, atol=1e-5)
    np.testing.assert_allclose(upsample_with_detail(coarse + 0.1, start), start + 0.1, atol=1e-5)
    assert upsample_with_detail(coarse + 0.9, start).max() == 1
