"""Checks of options that must fit together."""

from typing import TYPE_CHECKING

from core.config.options import flag_of
from core.config.style_losses import STYLE_LOSSES, style_loss_spec
from core.errors import UsageError
from core.installation import without_artifacts
from core.network.architecture import MIN_SIDE

if TYPE_CHECKING:
    from core.config.transfer_config import TransferConfig


def check_combinations(config: "TransferConfig") -> None:
    """Refuse options that contradict each other.

    Raises:
        UsageError: Two options cannot be used together; the message says what to change.
    """
    _check_weights(config)
    if config.bit_depth not in (8, 16):
        raise UsageError(f"--bit-depth is {config.bit_depth}: expected 8 or 16")
    _check_tiles(config)
    _check_artifacts(config)
    if style_loss_spec(config.style_loss).stochastic and config.optimizer == "lbfgs":
        raise UsageError(
            f"--style-loss {config.style_loss} is stochastic, which L-BFGS does not support: add --optimizer adam"
        )


def _check_weights(config: "TransferConfig") -> None:
    for weight, layers in (("content_weight", "content_layers"), ("style_weight", "style_layers")):
        weights, names = getattr(config, weight), getattr(config, layers)
        if weights is not None and len(weights) not in (1, len(names)):
            raise UsageError(
                f"{flag_of(weight)} has {len(weights)} values for {len(names)} layers ({', '.join(names)}): "
                "give one for all, or one for each"
            )
    if not any((*config.content_weights.values(), *config.style_weights.values(), config.total_variation_weight)):
        raise UsageError("all loss weights are 0, so there is nothing to optimise: set one to a positive value")


def _check_tiles(config: "TransferConfig") -> None:
    if config.tile_size and not config.tileable:
        *others, last = (name for name, spec in STYLE_LOSSES.items() if spec.tileable)
        raise UsageError(
            f"--style-loss {config.style_loss} needs the whole image at once: remove --tile-size, or use "
            f"{', '.join(others)} or {last}"
        )
    if 0 < config.tile_size < MIN_SIDE:
        raise UsageError(f"--tile-size is {config.tile_size}: expected at least {MIN_SIDE}, or 0 for automatic")


def _check_artifacts(config: "TransferConfig") -> None:
    artifacts = [f"--{name}" for name in ("painter", "objective", "extractor") if getattr(config, name)]
    if config.painter and len(artifacts) > 1:
        raise UsageError(f"a painter contains all that a run needs: remove {' and '.join(artifacts[1:])}, or --painter")
    if (config.objective or config.painter) and (config.tile_size or config.max_memory):
        kind = "painter" if config.painter else "objective"
        raise UsageError(
            f"an exported {kind} computes the whole image at once: remove --tile-size and --max-memory, or "
            f"{without_artifacts(f'--{kind}')}"
        )
    if config.runtime != "onnxruntime" and not (config.objective or config.painter):
        raise UsageError(
            f"--runtime {config.runtime} executes an exported file, and there is none: add --painter FILE or "
            "--objective FILE"
        )
    runs_bf16 = config.precision == "bf16" and config.objective
    if artifacts and config.precision not in ("auto", "fp32") and not (runs_bf16 and config.runtime == "openvino"):
        alternative = ", or add --runtime openvino" if runs_bf16 else ""
        raise UsageError(
            f"--precision is {config.precision}, but artifacts compute in fp32: remove --precision, or "
            f"{without_artifacts(' and '.join(artifacts))}{alternative}"
        )
