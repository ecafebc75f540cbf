import dataclasses
import math

import pytest

from core.config.presets import PRESETS, preset_options
from core.config.transfer_config import TransferConfig
from core.errors import UsageError


def test_values_are_stored_in_one_form() -> None:
    config = TransferConfig(content_layers="conv_4_2, relu3_1", content_weight="1, 2", style_weight=3)
    assert config.content_layers == ("relu4_2", "relu3_1")
    assert config.content_weights == {"relu4_2": 1.0, "relu3_1": 2.0}
    assert set(config.style_weights.values()) == {3.0}


def test_it_survives_json() -> None:
    config = TransferConfig(style_layers=["relu1_1", "relu2_2"], style_weight=[0.5, 7], init="noise", seed=5)
    assert TransferConfig.from_options(config.to_dict()) == config


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"image_size": 8}, "--image-size is 8: expected a whole number of at least 16"),
        ({"image_size": "wide"}, "--image-size is wide: expected a whole number of at least 16"),
        ({"iterations": 1.5}, "--iterations is 1.5: expected a whole number of at least 1"),
        ({"iterations": True}, "--iterations is True: expected a whole number of at least 1"),
        ({"style_weight": math.nan}, "--style-weight is nan: expected a number of at least 0"),
        ({"content_weight": -1}, "--content-weight is -1: expected a number of at least 0"),
        ({"tv_weight": math.inf}, "--tv-weight is inf: expected a number of at least 0"),
        ({"blend": 2}, "--blend is 2: expected a number from 0 to 1"),
        ({"bit_depth": 12}, "--bit-depth is 12: expected 8 or 16"),
        ({"optimizer": "sgd"}, "--optimizer is 'sgd': expected one of lbfgs, adam"),
        (
            {"content_layers": ""},
            "--content-layers is '': expected one value, or several separated by commas",
        ),
        ({"init": ""}, "--init is '': expected content, matched, noise, blend, or an image file"),
        (
            {"style_layers": "relu1_1,relu2_1", "style_weight": "1,2,3"},
            "--style-weight has 3 values for 2 layers (relu1_1, relu2_1): give one for all, or one for each",
        ),
        (
            {"content_layers": "relu4_2,conv_4_2"},
            "--content-layers names a layer twice: relu4_2, relu4_2; name each once",
        ),
        (
            {"content_weight": 0, "style_weight": 0},
            "all loss weights are 0, so there is nothing to optimise: set one to a positive value",
        ),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(options: dict, sentence: str) -> None:
    with pytest.raises(UsageError) as refusal:
        TransferConfig(**options)
    assert str(refusal.value) == sentence


def test_a_layer_of_the_other_network_is_refused() -> None:
    assert TransferConfig(content_layers="relu3_4").content_layers == ("relu3_4",)
    with pytest.raises(UsageError, match="relu3_4"):
        TransferConfig(content_layers="relu3_4", arch="vgg16")


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown option 'colour'"):
        TransferConfig.from_options({"colour": 1})


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_whole_and_can_be_changed(name: str) -> None:
    assert TransferConfig.preset(name, iterations=7) == dataclasses.replace(TransferConfig.preset(name), iterations=7)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UsageError, match="firekind, gatys2015, johnson, crowson"):
        preset_options("picasso")


def test_the_seeds_defaults() -> None:
    config = TransferConfig.preset("firekind")
    assert (config.content_weight, config.style_weight, config.iterations) == ((1.0,), (1e6,), 520)
    assert (config.image_size, config.image_size_side, config.init, config.scales) == (
        512,
        "short",
        "content",
        1,
    )


def test_johnsons_weights_by_his_own_formulas() -> None:
    """In his units, features fed with 0 to 255: 5 content, 100 style over C² a layer, 1e-3 smoothness."""
    config, scale = TransferConfig.preset("johnson"), 57.6
    ratio = config.style_weights["relu3_1"] / scale**4 / (config.content_weights["relu4_2"] / scale**2)
    assert ratio == pytest.approx(100 / 256**2 / 5)
