"""Which style losses can be exported, from their specifications."""

from dataclasses import replace

import pytest

from core.config.exported_losses import check_exported, exported_style_losses, exported_target
from core.config.style_losses import STYLE_LOSSES, ExportedTarget, load_reference, style_loss_spec
from core.errors import UsageError


def test_exported_losses_have_a_statistic_or_position_targets() -> None:
    assert exported_style_losses("objective") == ("gram", "moments", "nearest")
    assert exported_style_losses("painter") == ("gram", "moments")
    for name in exported_style_losses("objective"):
        target, has_position_targets = exported_target(name), style_loss_spec(name).position_targets
        assert (target.statistic is None) == (target.columns is None) == has_position_targets
        for reference in filter(None, (target.statistic, target.parts)):
            assert callable(load_reference(reference))


def test_a_loss_without_an_exported_target_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wasserstein = STYLE_LOSSES["wasserstein"]
    with pytest.raises(UsageError, match="an objective with the style loss wasserstein cannot be exported: use gram, "):
        exported_target("wasserstein")
    with pytest.raises(UsageError, match="a painter with the style loss nearest cannot be exported: use gram or "):
        check_exported("painter", "nearest")
    with_target = replace(wasserstein, exported=ExportedTarget(meaning="means"))
    monkeypatch.setitem(STYLE_LOSSES, "wasserstein", with_target)
    assert exported_target("wasserstein").meaning == "means"
    assert exported_style_losses("objective") == ("gram", "moments", "wasserstein", "nearest")
