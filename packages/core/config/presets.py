"""Named sets of options, in the units of `TransferConfig`.

Presets are the default options of other style transfer programs. Efforts trade the time of a run for its quality.
"""

from collections.abc import Mapping
from typing import Any

from core.errors import UsageError

EVALUATIONS_PER_EPOCH = 20
"""Evaluations in one epoch of firekind/style-transfer, which is one step of torch.optim.LBFGS."""


def preset_options(name: str) -> dict[str, Any]:
    """Return the options that a preset changes, by name.

    Raises:
        UsageError: There is no such preset.
    """
    return _options_named("preset", name, PRESETS)


def effort_options(name: str) -> dict[str, Any]:
    """Return the options that an effort changes, by name. They override those of a preset.

    Raises:
        UsageError: There is no such effort.
    """
    return _options_named("effort", name, EFFORTS)


def _options_named(kind: str, name: str, table: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    if name not in list(table):  # a list, because a value from a file need not be hashable
        raise UsageError(f"unknown {kind} {name!r}: expected one of {', '.join(table)}")
    return dict(table[name])


EFFORTS: Mapping[str, Mapping[str, Any]] = {
    "draft": {"iterations": 90},
    "standard": {},
    "best": {"iterations": 900},
}
"""The options of each effort, from the fastest to the slowest; "standard" changes none."""
EFFORT_HELP = (
    "Trade time for quality: 'draft' for a quick look, 'best' for fine detail, 'standard' for the default in between."
)


# What most other programs do where the default differs; the presets of those that do otherwise set it again. The
# padding stands for that of the first convolution in crowsonkb's program.
_OTHER_PROGRAMS: Mapping[str, Any] = {
    "content_layers": ("relu4_2",),
    "tv_weight": 0.0,
    "content_detail": 0.0,
    "content_scaling": 0.0,
    "tv_scaling": 0.0,
    "padding": 0,
}

# Here losses are means, and features have the scale of a network with unit-variance input. The activations of a
# network with input in 0 to 255 are larger by s = 57.6 (see weights.Preprocessing.activation_scale), so its content
# weight is multiplied by s² and its style weight by s⁴. Then all weights are divided by s², which does not change the
# minimum.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    # firekind/style-transfer: 26 steps of torch.optim.LBFGS with up to 20 evaluations each.
    "firekind": {
        **_OTHER_PROGRAMS,
        "image_size": 512,
        "image_size_side": "short",
        "content_weight": 1.0,
        "style_weight": 1e6,
        "iterations": 26 * EVALUATIONS_PER_EPOCH,
        "history": 100,
        "init": "content",
        "scales": 1,
    },
    # Gatys, Ecker, Bethge 2015 (arXiv 1508.06576): alpha/beta = 1e-3, with sums in place of means. At 512 x 512 the
    # content loss at relu4_2 is 512 * 64 * 64 / 2 times the mean; E_l is a quarter of the style loss here, and each of
    # the five layers has weight 1/5.
    "gatys2015": {
        **_OTHER_PROGRAMS,
        "image_size": 512,
        "content_weight": 1e-3 * 512 * 64 * 64 / 2,
        "style_weight": 57.6**2 / 4 / 5,
        "pooling": "average",
        "iterations": 1000,
        "history": 100,
        "init": "noise",
        "scales": 1,
    },
    # jcjohnson/neural-style: Gram matrices are divided by C H W, hence 1/C² for each layer. Total variation is half the
    # sum of squared differences of values in 0 to 255, converted here for 512 x 512.
    "johnson": {
        **_OTHER_PROGRAMS,
        "image_size": 512,
        "content_weight": 5.0,
        "style_weight": tuple(100 * 57.6**2 / channels**2 for channels in (64, 128, 256, 512, 512)),
        "tv_weight": 1e-3 / 2 * 255**2 * 3 * 512**2 / 57.6**2,
        "iterations": 1000,
        "history": 100,
        "init": "noise",
        "scales": 1,
    },
    # crowsonkb/style-transfer-pytorch: 1000 evaluations at the first of five scales and 500 at each of the others.
    "crowson": {
        **_OTHER_PROGRAMS,
        "image_size": 512,
        "content_weight": 0.015,
        "style_weight": tuple(weight / 341 for weight in (256, 64, 16, 4, 1)),
        "tv_weight": 2.0,
        "style_loss": "wasserstein",
        "optimizer": "adam",
        "learning_rate": 0.02,
        "averaging": 0.99,
        "iterations": 3000,
        "init": "content",
        "scale_factor": 2**0.5,
        "padding": 16,
        "min_scale_size": 128,
    },
}
