"""The defaults of well-known programs for optimisation-based style transfer, in the units of `TransferConfig`."""

from collections.abc import Mapping
from typing import Any

from core.errors import UsageError

EVALUATIONS_PER_EPOCH = 20
"""One epoch of firekind/style-transfer: a step of torch.optim.LBFGS, of up to 20 evaluations."""


def preset_options(name: str) -> dict[str, Any]:
    """The options of a preset, by its name.

    Raises:
        UsageError: There is no such preset.
    """
    if name not in PRESETS:
        raise UsageError(f"unknown preset {name!r}: expected one of {', '.join(PRESETS)}")
    return dict(PRESETS[name])


# Loss weights are in our units: losses are means, and features are on the scale of a network fed with
# unit-variance input. A weight of a program that feeds its network 0 to 255 is restated with the factor
# s = 57.6 between the two (see weights.Preprocessing.activation_scale): its content weight times s², its style
# weight times s⁴, then all divided by s², which leaves the minimum where it was.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    # firekind/style-transfer: 26 steps of torch.optim.LBFGS, each of up to 20 evaluations.
    "firekind": {
        "image_size": 512,
        "image_size_side": "short",
        "content_weight": 1.0,
        "style_weight": 1e6,
        "iterations": 26 * EVALUATIONS_PER_EPOCH,
        "history": 100,
        "init": "content",
        "scales": 1,
    },
    # Gatys, Ecker, Bethge 2015 (arXiv 1508.06576): alpha/beta = 1e-3, sums instead of means. At 512 x 512 the
    # sum over relu4_2 is 512 * 64 * 64 / 2 times our mean; E_l is a quarter of ours, in five layers of 1/5.
    "gatys2015": {
        "image_size": 512,
        "content_weight": 1e-3 * 512 * 64 * 64 / 2,
        "style_weight": 57.6**2 / 4 / 5,
        "pooling": "average",
        "iterations": 1000,
        "history": 100,
        "init": "noise",
        "scales": 1,
    },
    # jcjohnson/neural-style: Grams divided by C H W too, hence 1/C² a layer; half the sum of squared differences
    # as total variation, on 0 to 255, restated for 512 x 512.
    "johnson": {
        "image_size": 512,
        "content_weight": 5.0,
        "style_weight": tuple(100 * 57.6**2 / channels**2 for channels in (64, 128, 256, 512, 512)),
        "tv_weight": 1e-3 / 2 * 255**2 * 3 * 512**2 / 57.6**2,
        "iterations": 1000,
        "history": 100,
        "init": "noise",
        "scales": 1,
    },
    # crowsonkb/style-transfer-pytorch: 1000 evaluations at the first of five sizes and 500 at each other.
    "crowson": {
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
        "min_scale_size": 128,
    },
}
