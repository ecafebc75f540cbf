"""The weights of the terms of the loss."""

import pytest

from core.config.transfer_config import TransferConfig
from core.objective.weights import LossWeights


def test_each_factor_multiplies_the_weights_of_its_terms() -> None:
    weights = LossWeights.of(TransferConfig(tv_weight=4000), 2.0)
    scaled = weights.scaled(content=3, style=0.25, tv=0.5)
    assert scaled.content == pytest.approx({tap: 3 * weight for tap, weight in weights.content.items()})
    assert scaled.style == pytest.approx({tap: weight / 4 for tap, weight in weights.style.items()})
    assert scaled.tv == pytest.approx(2000)
    assert weights.scaled() == weights


@pytest.mark.parametrize(("style_loss", "power"), [("gram", 4), ("wasserstein", 2), ("moments", 0)])
def test_weights_are_divided_by_powers_of_the_activation_scale(style_loss: str, power: int) -> None:
    config = TransferConfig(style_loss=style_loss)
    one, three = LossWeights.of(config, 1.0), LossWeights.of(config, 3.0)
    assert three.content == pytest.approx({tap: weight / 9 for tap, weight in one.content.items()})
    assert three.style == pytest.approx({tap: weight / 3**power for tap, weight in one.style.items()})
    assert three.tv == one.tv
