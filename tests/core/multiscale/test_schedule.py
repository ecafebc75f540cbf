"""The coarse-to-fine schedule."""

from dataclasses import replace

import numpy as np
import pytest

from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.memory.plan import estimate_memory
from core.multiscale.schedule import Scale, build_schedule, fraction_done

RNG = np.random.default_rng(0)
CONTENT = RNG.random((1, 3, 40, 60), dtype=np.float32)
STYLE = RNG.random((1, 3, 50, 30), dtype=np.float32) ** 2


def sizes(content: tuple[int, int], **options: object) -> list[tuple[int, int]]:
    return [scale.size for scale in build_schedule(content, [(600, 600)], TransferConfig(**options))]


def test_the_coarsest_scale_has_the_minimum_size() -> None:
    assert sizes((2000, 1000), image_size=1024, min_scale_size=256) == [(256, 128), (512, 256), (1024, 512)]
    assert sizes((2000, 1000), image_size=256) == [(128, 64), (256, 128)]
    assert sizes((2000, 1000), image_size=254) == [(254, 127)]


def test_the_number_of_scales_can_be_set() -> None:
    assert sizes((2000, 1000), image_size=1024, scales=1) == [(1024, 512)]
    assert sizes((2000, 1000), image_size=256, scales=3) == [(64, 32), (128, 64), (256, 128)]


def test_no_scale_is_too_small_for_the_network() -> None:
    assert sizes((2000, 1000), image_size=64, scales=9) == [(32, 16), (64, 32)]


def test_the_crowson_preset_has_the_sizes_of_that_program() -> None:
    config = TransferConfig.preset("crowson")
    found = [scale.size[0] for scale in build_schedule((512, 512), [(512, 512)], config)]
    assert found == [128, 181, 256, 362, 512]


def test_the_short_side_is_exact_and_the_style_keeps_its_shape() -> None:
    (scale,) = build_schedule((640, 480), [(300, 900)], TransferConfig.preset("firekind"))
    assert scale == Scale(size=(683, 512), style_sizes=((512, 1536),), evaluations=520)


def test_every_evaluation_belongs_to_a_scale() -> None:
    plan = build_schedule((1024, 1024), [(1024, 1024)], TransferConfig(image_size=256, iterations=100))
    assert [scale.evaluations for scale in plan] == [50, 50]
    assert len(build_schedule((1024, 1024), [(1024, 1024)], TransferConfig(image_size=1024, iterations=2))) == 2


def test_nearest_ends_with_a_final_pass() -> None:
    plan = build_schedule(
        (1024, 1024), [(600, 600)], TransferConfig(image_size=256, iterations=100, style_loss="nearest")
    )
    assert [(scale.size[0], scale.evaluations, scale.final_pass) for scale in plan] == [
        (128, 33, False),
        (256, 33, False),
        (256, 34, True),
    ]
    assert replace(plan[1], final_pass=True, evaluations=34) == plan[2]


@pytest.mark.parametrize(("iterations", "expected"), [(1, [False]), (2, [False, True]), (3, [False, False, True])])
def test_a_final_pass_follows_a_scale(iterations: int, expected: list[bool]) -> None:
    config = TransferConfig(image_size=256, iterations=iterations, style_loss="nearest")
    assert [scale.final_pass for scale in build_schedule((1024, 1024), [(600, 600)], config)] == expected


def test_other_losses_have_no_final_pass() -> None:
    config = TransferConfig(image_size=40, scales=2, scale_factor=1.01)
    plan = build_schedule((1024, 1024), [(600, 600)], config)
    assert [(scale.size, scale.final_pass) for scale in plan] == [((40, 40), False), ((40, 40), False)]


def test_a_size_has_the_same_content_weight_in_runs_of_all_sizes() -> None:
    weights = [
        {scale.size[0]: scale.content_weight_scale for scale in build_schedule((2048, 2048), [(600, 600)], config)}
        for config in (TransferConfig(image_size=256), TransferConfig(image_size=1024))
    ]
    assert weights[0] == {128: 4**3, 256: 2**3}
    assert weights[1] == weights[0] | {512: 1, 1024: 1 / 8}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"reference_size": 0}, [8, 1]),
        ({"reference_size": 400, "content_scaling": 2}, [4, 1]),
        ({"content_scaling": 0}, [1, 1]),
    ],
)
def test_the_content_weight_follows_the_options(options: dict[str, float], expected: list[float]) -> None:
    schedule = build_schedule((400, 400), [(300, 300)], TransferConfig(image_size=400, scales=2, **options))
    assert [scale.content_weight_scale for scale in schedule] == expected


def test_the_weight_of_total_variation_falls_with_the_size() -> None:
    for image_size, sizes in ((256, (128, 256)), (1024, (128, 256, 512, 1024))):
        schedule = build_schedule((2048, 2048), [(600, 600)], TransferConfig(image_size=image_size))
        expected = {size: (512 / size) ** 1.5 for size in sizes}
        assert {scale.size[0]: scale.tv_weight_scale for scale in schedule} == expected
    (scale,) = build_schedule((64, 64), [(64, 64)], TransferConfig(scales=1, tv_scaling=2, reference_size=128))
    assert scale.tv_weight_scale == 4
    constant = build_schedule((400, 400), [(300, 300)], TransferConfig(tv_scaling=0))
    assert {scale.tv_weight_scale for scale in constant} == {1}


def test_the_padding_is_smaller_than_every_side() -> None:
    (coarse, fine) = build_schedule((600, 150), [(600, 600)], TransferConfig(image_size=128, scales=2, padding=20))
    assert (coarse.padding, fine.padding) == (15, 20)
    assert fine.network_sizes == ((168, 72), (168, 168))


def test_memory_is_planned_for_the_largest_style_image_with_its_margin() -> None:
    """A margin enlarges a narrow image more than a square one of the same area."""
    scale = Scale((100, 80), ((100, 100), (50, 199)), 10, padding=16)
    assert scale.network_sizes == ((132, 112), (82, 231))
    assert replace(scale, padding=0).network_sizes == ((100, 80), (100, 100))


def test_an_image_too_narrow_for_the_network_is_refused() -> None:
    with pytest.raises(UsageError, match="16"):
        build_schedule((2000, 40), [(600, 600)], TransferConfig(image_size=512))


def test_the_fraction_done_counts_pixels() -> None:
    scales = [Scale((10, 10), (9, 9), 10), Scale((20, 20), (9, 9), 10)]
    assert [fraction_done(scales, n) for n in (0, 10, 15, 20)] == [0, 0.2, 0.6, 1]


def test_the_estimated_memory_grows_with_the_pixels() -> None:
    config = TransferConfig()
    small, large = estimate_memory((256, 256), config), estimate_memory((512, 512), config)
    assert 1 < large / small < 4


def test_style_scale_changes_the_size_of_the_style_images() -> None:
    (scale,) = build_schedule((640, 480), [(300, 300)], TransferConfig(image_size=256, style_scale=1.5, scales=1))
    assert (scale.size, scale.style_sizes) == ((256, 192), ((384, 384),))
    with pytest.raises(UsageError, match=r"--style-scale 0\.05 reduces a style image to a side of 13 px"):
        build_schedule((640, 480), [(300, 300)], TransferConfig(image_size=256, style_scale=0.05))


def test_an_error_about_the_size_of_a_style_image_names_it() -> None:
    names = ["style wide.png", "style narrow.png"]
    with pytest.raises(UsageError, match=r"resizes style narrow\.png from 16x400 px to 10x256 px, but VGG needs"):
        build_schedule((640, 480), [(300, 300), (16, 400)], TransferConfig(image_size=256), names)
    with pytest.raises(UsageError, match=r"--style-scale 0\.1 reduces style narrow\.png to a side of 6 px"):
        config = TransferConfig(image_size=256, style_scale=0.1)
        build_schedule((640, 480), [(300, 300), (100, 400)], config, names)
