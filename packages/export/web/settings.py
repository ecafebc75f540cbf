"""The settings of a page: every constant that its JavaScript modules share with Python."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from core.artifacts.manifest import Manifest
from core.config.transfer_config import TransferConfig
from core.image import color
from core.multiscale.padding import NETWORK_GREY
from core.multiscale.preparation import GRADIENT_RATIO_AT_HALF
from core.network.architecture import MIN_SIDE
from core.objective import variance_floor
from core.objective.weights import LossWeights
from core.optim.constants import LBFGS
from export.web import runtime


def page_settings(
    manifest: Manifest,
    targets: Mapping[str, Mapping[str, str]],
    examples: Mapping[str, list[str]],
    checksums: Mapping[str, str],
) -> dict[str, Any]:
    """Return the settings of a page, ready for JSON.

    Args:
        manifest: Manifest of the objective.
        targets: What `export.web.objective.add_target_outputs` returns.
        examples: Paths of example images by role.
        checksums: SHA-256 checksums of the page's files by path.
    """
    config = TransferConfig(
        arch=manifest.arch,
        content_layers=manifest.content_taps,
        style_layers=manifest.style_taps,
        style_loss=manifest.style_loss,
        content_detail=manifest.content_detail,
    )
    weights = LossWeights.of(config, manifest.activation_scale)
    return {
        "objective": asdict(manifest),
        "targets": targets,
        "weights": {
            "content": [weights.content[tap] for tap in manifest.content_taps],
            "style": [weights.style[tap] for tap in manifest.style_taps],
            "tv": weights.tv,
        },
        "variance_floor": variance_floor_settings(),
        "gradient_ratio_at_half": GRADIENT_RATIO_AT_HALF,
        "schedule": schedule_settings(config),
        "grey": NETWORK_GREY.ravel().tolist(),
        "optimizer": optimizer_settings(config),
        "color_matching": color_matching_settings(),
        "examples": examples,
        runtime.PACKAGE: runtime.VERSION,
        "files": checksums,
    }


def schedule_settings(config: TransferConfig) -> dict[str, float]:
    """Return the constants of schedule.js."""
    return {
        "scale_factor": config.scale_factor,
        "min_scale_size": config.min_scale_size,
        "min_side": MIN_SIDE,
        "padding": config.padding,
        "reference_size": config.reference_size,
        "content_scaling": config.content_scaling,
        "tv_scaling": config.tv_scaling,
    }


def optimizer_settings(config: TransferConfig) -> dict[str, float]:
    """Return the constants of optimizer.js and curvature.js."""
    return {"history": config.history, **asdict(LBFGS)}


def variance_floor_settings() -> dict[str, float]:
    """Return the constants of style_weights.js."""
    return {"relative": variance_floor.RELATIVE, "absolute": variance_floor.ABSOLUTE}


def color_matching_settings() -> dict[str, float]:
    """Return the constants of color.js."""
    return {"min_eigenvalue": color.MIN_EIGENVALUE}
