import math
from pathlib import Path

import pytest

from core.config.options import flag_of, options_of
from core.config.transfer_config import TransferConfig
from core.errors import UsageError


def test_a_weight_replaces_the_default_strength() -> None:
    assert TransferConfig().normalized_strength == TransferConfig(tv_weight=0).normalized_strength == 0.5
    assert TransferConfig(style_weight=1).normalized_strength is None
    assert TransferConfig(content_weight=1).normalized_strength is None
    assert TransferConfig(style_weight=1, strength=0.3).normalized_strength == 0.3


def test_the_default_total_variation_belongs_to_the_default_style_weights() -> None:
    assert TransferConfig().total_variation_weight == TransferConfig(content_weight=2).total_variation_weight == 4000
    assert TransferConfig(style_weight=1).total_variation_weight == 0
    assert TransferConfig(style_weight=1, tv_weight=3).total_variation_weight == 3


def test_values_are_stored_in_canonical_form() -> None:
    config = TransferConfig(content_layers="conv_4_2, relu3_1", content_weight="1, 2", style_weight=3)
    assert config.content_layers == ("relu4_2", "relu3_1")
    assert config.content_weights == {"relu4_2": 1.0, "relu3_1": 2.0}
    assert set(config.style_weights.values()) == {3.0}


def test_from_options_restores_to_dict() -> None:
    config = TransferConfig(style_layers=["relu1_1", "relu2_2"], style_weight=[0.5, 7], init="noise", seed=5)
    assert TransferConfig.from_options(config.to_dict()) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 8}, "--image-size is 8: expected a whole number from 16 to 1048576"),
        ({"image_size": "wide"}, "--image-size is wide: expected a whole number from 16 to 1048576"),
        ({"iterations": 1.5}, "--iterations is 1.5: expected a whole number from 1 to 1000000000"),
        ({"iterations": True}, "--iterations is True: expected a whole number from 1 to 1000000000"),
        ({"style_weight": math.nan}, "--style-weight is nan: expected a number from 0 to 1e+20"),
        ({"style_weight": (1, 1, 1, 1, 1e300)}, "--style-weight is 1e+300: expected a number from 0 to 1e+20"),
        ({"content_weight": -1}, "--content-weight is -1: expected a number from 0 to 1e+20"),
        ({"tv_weight": math.inf}, "--tv-weight is inf: expected a number from 0 to 1e+20"),
        ({"learning_rate": 1e300}, "--learning-rate is 1e+300: expected a number from 1e-09 to 100"),
        ({"image_size": "512.0"}, "--image-size is 512.0: expected a whole number from 16 to 1048576"),
        ({"max_memory": "lots"}, "--max-memory is lots: expected a size such as 6GB or 500MB, or 0"),
        (
            {"style_loss": "mean"},
            "--style-loss is 'mean': expected one of gram, moments, wasserstein, sliced-wasserstein, nearest",
        ),
        ({"blend": 2}, "--blend is 2: expected a number from 0 to 1"),
        ({"optimizer": "sgd"}, "--optimizer is 'sgd': expected one of lbfgs, adam"),
        (
            {"content_layers": ""},
            "--content-layers is '': expected one value, or several separated by commas",
        ),
        ({"init": ""}, "--init is '': expected matched, content, noise, blend, or a file"),
        (
            {"content_layers": "relu4_2,conv_4_2"},
            "--content-layers names a layer twice: relu4_2, relu4_2; name each once",
        ),
    ],
)
def test_invalid_values_are_refused(options: dict, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        TransferConfig(**options)
    assert str(raised.value) == message


def test_a_layer_of_another_architecture_is_refused() -> None:
    assert TransferConfig(content_layers="relu3_4").content_layers == ("relu3_4",)
    with pytest.raises(UsageError, match="relu3_4"):
        TransferConfig(content_layers="relu3_4", arch="vgg16")


def test_from_options_refuses_an_unknown_key() -> None:
    with pytest.raises(UsageError, match="unknown option 'colour'"):
        TransferConfig.from_options({"colour": 1})


def test_differences_ignores_options_without_effect_on_the_result() -> None:
    config = TransferConfig(seed=1)
    recorded = config.with_options(seed=2, device="cpu", max_memory="1GB", save_every=5).to_dict()
    assert config.differences(recorded) == ["--seed"]
    assert config.differences(recorded | {"seed": 1, "removed_option": 3}) == ["--removed-option"]


def test_integers_have_a_limit() -> None:
    for name in (one.name for one in options_of(TransferConfig).values() if one.kind == "int"):
        with pytest.raises(UsageError, match=rf"{flag_of(name)} is .*: expected "):
            TransferConfig(**{name: 10**400})
    with pytest.raises(
        UsageError, match=r"^--save-every is 9223372036854775808: expected at most 9223372036854775807$"
    ):
        TransferConfig(save_every="9223372036854775808")


def test_files_lack_only_missing_weights_that_artifacts_replace(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    weights = TransferConfig(weights=path, objective="o.onnx", init="i.png")
    assert weights.files == {"weights": path, "objective": Path("o.onnx"), "init": Path("i.png")}
    artifacts = TransferConfig(weights=path, objective="o.onnx", extractor="e.onnx", init="noise")
    assert artifacts.files == {"objective": Path("o.onnx"), "extractor": Path("e.onnx")}
    path.touch()
    assert artifacts.files.keys() == {"weights", "objective", "extractor"}
