import dataclasses

import pytest

from core.config.options import options_of
from core.config.style_losses import STYLE_LOSSES, StyleLossSpec, register_style_loss, style_loss_spec
from core.config.transfer_config import TransferConfig
from core.errors import UsageError

TOY = StyleLossSpec(
    name="toy", implementation="toys:ToyLoss", help="mean activations", tileable=False, activation_power=1
)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, StyleLossSpec]:
    """Restore the registry after the test."""
    for name in (*STYLE_LOSSES, TOY.name):
        monkeypatch.setitem(STYLE_LOSSES, name, STYLE_LOSSES.get(name, TOY))
    monkeypatch.delitem(STYLE_LOSSES, TOY.name)
    return STYLE_LOSSES


def test_a_registered_loss_is_an_option(registry: dict[str, StyleLossSpec]) -> None:
    with pytest.raises(UsageError, match="--style-loss is 'toy'"):
        TransferConfig(style_loss="toy")
    register_style_loss(TOY)
    config = TransferConfig(style_loss="toy")
    assert not config.tileable
    described = options_of(TransferConfig)["style_loss"]
    assert described.choices == ("gram", "moments", "wasserstein", "sliced-wasserstein", "nearest", "toy")
    assert "'toy' (mean activations)" in described.help
    with pytest.raises(UsageError, match="--style-loss toy needs the whole image at once: remove --tile-size"):
        config.with_options(tile_size=64)


def test_another_implementation_of_a_name_is_refused(registry: dict[str, StyleLossSpec]) -> None:
    register_style_loss(TOY)
    register_style_loss(dataclasses.replace(TOY, help="means"))
    assert registry["toy"].help == "means"
    with pytest.raises(UsageError, match="'toy' is already implemented by toys:ToyLoss"):
        register_style_loss(dataclasses.replace(TOY, implementation="other:Loss"))


def test_style_loss_spec_refuses_an_unknown_name() -> None:
    with pytest.raises(UsageError, match="unknown style loss 'mean': expected one of gram, moments, wasserstein, "):
        style_loss_spec("mean")


def test_a_tileable_loss_needs_the_size_of_its_statistic() -> None:
    with pytest.raises(UsageError, match="'toy' is tileable but has no statistic_size"):
        dataclasses.replace(TOY, tileable=True)


def test_specifications_of_the_built_in_losses() -> None:
    """A Gram matrix of C channels has C² values; means and covariances have C more. Gram matrices are quadratic."""
    gram, wasserstein, sliced = (style_loss_spec(name) for name in ("gram", "wasserstein", "sliced-wasserstein"))
    assert gram.statistic_size is not None
    assert wasserstein.statistic_size is not None
    assert (gram.statistic_size(64), wasserstein.statistic_size(64)) == (64 * 64, 64 * 64 + 64)
    assert (gram.activation_power, wasserstein.activation_power, sliced.activation_power) == (4, 2, 2)
    assert [spec.tileable for spec in (gram, wasserstein, sliced)] == [True, True, False]


@pytest.mark.parametrize("spec", STYLE_LOSSES.values(), ids=STYLE_LOSSES)
def test_the_formula_of_the_help_is_that_of_the_layer_weight(spec: StyleLossSpec) -> None:
    formula = spec.layer_weight_help.replace("^", "**")
    for channels, stride in [(64, 1), (128, 2), (256, 4), (512, 8), (512, 16)]:
        expected = eval(formula, {"C": channels, "stride": stride})
        assert spec.layer_weight(channels, stride) == pytest.approx(expected, rel=1e-12)
