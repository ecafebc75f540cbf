import dataclasses
from typing import Any

import pytest

from core.config.presets import EFFORTS, PRESETS, effort_options, preset_options
from core.config.transfer_config import TransferConfig
from core.errors import UsageError


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_can_be_overridden(name: str) -> None:
    assert TransferConfig.preset(name, iterations=7) == dataclasses.replace(TransferConfig.preset(name), iterations=7)


def test_preset_options_refuses_an_unknown_preset() -> None:
    with pytest.raises(UsageError, match="firekind, gatys2015, johnson, crowson"):
        preset_options("picasso")


@pytest.mark.parametrize("name", EFFORTS)
def test_efforts_are_valid_and_can_be_overridden(name: str) -> None:
    assert TransferConfig.effort(name, iterations=7) == dataclasses.replace(TransferConfig.effort(name), iterations=7)


def test_efforts_are_sorted_by_their_evaluations_around_the_default() -> None:
    draft, standard, best = (TransferConfig.effort(name) for name in EFFORTS)
    assert standard == TransferConfig()
    assert draft.iterations < standard.iterations < best.iterations


@pytest.mark.parametrize("name", ["quick", "", ["draft"]])
def test_effort_options_refuses_an_unknown_effort(name: Any) -> None:
    with pytest.raises(UsageError) as error:
        effort_options(name)
    assert str(error.value) == f"unknown effort {name!r}: expected one of draft, standard, best"


def test_firekind_preset_has_its_published_defaults() -> None:
    config = TransferConfig.preset("firekind")
    assert (config.content_weight, config.style_weight, config.iterations) == ((1.0,), (1e6,), 520)
    assert (config.image_size, config.image_size_side, config.init, config.scales) == (
        512,
        "short",
        "content",
        1,
    )


def test_johnson_preset_follows_its_formulas() -> None:
    """For input in 0 to 255: content weight 5 and style weight 100 / C² for each layer."""
    config, scale = TransferConfig.preset("johnson"), 57.6
    ratio = config.style_weights["relu3_1"] / scale**4 / (config.content_weights["relu4_2"] / scale**2)
    assert ratio == pytest.approx(100 / 256**2 / 5)
