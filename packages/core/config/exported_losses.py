"""The style losses that exported objectives and painters can have, from the registry. Without PyTorch."""

from typing import Literal

from core.config.style_losses import STYLE_LOSSES, ExportedTarget, style_loss_spec
from core.errors import UsageError

Kind = Literal["objective", "painter"]


def exported_style_losses(kind: Kind) -> tuple[str, ...]:
    """Return the names of the style losses that an exported objective or painter can have.

    A painter computes its targets itself, from the style image alone.
    """
    specs = (spec for spec in STYLE_LOSSES.values() if spec.exported)
    return tuple(spec.name for spec in specs if kind == "objective" or not spec.position_targets)


def check_exported(kind: Kind, name: str) -> None:
    """Raise UsageError unless an exported objective or painter can have the style loss `name`."""
    names = exported_style_losses(kind)
    if name not in names:
        *others, last = names
        article = "an" if kind == "objective" else "a"
        raise UsageError(
            f"{article} {kind} with the style loss {name} cannot be exported: use {', '.join(others)} or {last}"
        )


def exported_target(name: str) -> ExportedTarget:
    """Return the target of a style loss in an exported objective.

    Raises:
        UsageError: There is no such loss, or it cannot be exported.
    """
    check_exported("objective", name)
    target = style_loss_spec(name).exported
    assert target is not None
    return target
