"""The configuration of a run: one frozen object, with one default and one description for each option.

The fields of `TransferConfig` are the options of the command lines and the keys of `--config` files. This module does
not import PyTorch.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path, PurePath
from typing import Any, Literal, Self

from core.config.combinations import check_combinations
from core.config.options import flag_of, option, options_of
from core.config.presets import effort_options, preset_options
from core.config.style_losses import (
    DEFAULT_STYLE_LOSS,
    style_loss_help,
    style_loss_names,
    style_loss_spec,
    style_weight_help,
)
from core.errors import UsageError
from core.files import is_file
from core.network.architecture import MIN_SIDE, WEIGHT_SOURCES, Pooling, canonical_layer_name, channels_of, stride_of

DEFAULT_STRENGTH = 0.5
DEFAULT_TV_WEIGHT = 4000.0

MAX_IMAGE_SIZE = 2**20
"""Limit on the side of the output image that `image_size` sets, in pixels."""

MAX_WEIGHT = 1e20
"""Limit on weights: the loss and its gradient are float32, which ends at 3.4e38."""

RuntimeName = Literal["onnxruntime", "openvino"]
"""Names of the runtimes in `core.artifacts.runtimes`."""

INITIAL_IMAGES = ("matched", "content", "noise", "blend")
"""Values of `init` that are not files."""

WITHOUT_EFFECT_ON_RESULT = ("save_every", "device", "max_memory", "tile_size")
"""Options that do not change the output image, up to rounding."""

WITHOUT_EFFECT_ON_STEPS = (*WITHOUT_EFFECT_ON_RESULT, "bit_depth", "quality")
"""Options that change at most the output file, and not the steps of the optimisation."""


@dataclass(frozen=True, kw_only=True)
class TransferConfig:
    """All options of a run except the input images and the output file.

    Layers and loss weights may be given as a sequence, a single value, or comma-separated text; they are stored as
    tuples. A single weight applies to every layer. Layers are stored under their canonical names.

    Raises:
        UsageError: A value is out of its range, or two values contradict each other.
    """

    image_size: int = option(
        512,
        "Image",
        "Maximum long side (or short side, see --image-size-side) of the output, in pixels.",
        minimum=MIN_SIDE,
        maximum=MAX_IMAGE_SIZE,
    )
    image_size_side: Literal["long", "short"] = option(
        "long", "Image", "Side that --image-size refers to: 'long' (never upscales) or 'short' (resized exactly)."
    )
    bit_depth: int = option(
        8, "Image", "Bits per channel of the output file: 8, or 16 for PNG and TIFF.", minimum=8, maximum=16
    )
    quality: int = option(95, "Image", "Quality of JPEG and WebP files.", minimum=1, maximum=100)
    save_every: int = option(
        0,
        "Image",
        "Save an intermediate image every N evaluations, numbered, beside the output; 0 for none.",
        minimum=0,
    )

    content_weight: tuple[float, ...] | None = option(
        None,
        "Objective",
        "Weight of the content loss: one for all layers, or one for each. By default 1.",
        minimum=0,
        maximum=MAX_WEIGHT,
    )
    style_weight: tuple[float, ...] | None = option(
        None,
        "Objective",
        style_weight_help,
        minimum=0,
        maximum=MAX_WEIGHT,
    )
    tv_weight: float | None = option(
        None,
        "Objective",
        f"Weight of the total variation loss; higher values give a smoother image. By default {DEFAULT_TV_WEIGHT:g}, "
        "and 0 with --style-weight.",
        minimum=0,
        maximum=MAX_WEIGHT,
    )
    content_layers: tuple[str, ...] = option(
        ("relu3_2", "relu4_2"), "Objective", "Layers of the content loss.", metavar="LAYER"
    )
    content_detail: float = option(
        0.3,
        "Objective",
        "Power by which the content weight at a position depends on the detail of the content image there: strokes of "
        "the style fill flat places such as skies; 0 gives the same weight everywhere.",
        minimum=0,
        maximum=1,
    )
    style_layers: tuple[str, ...] = option(
        ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
        "Objective",
        "Layers of the style loss.",
        metavar="LAYER",
    )
    style_loss: str = option(DEFAULT_STYLE_LOSS, "Objective", style_loss_help, choices=style_loss_names, metavar="NAME")
    strength: float | None = option(
        None,
        "Objective",
        "Style strength in [0, 1], similar for all images, styles and sizes. Replaces the ratio of --content-weight "
        "and --style-weight; 0.5 without these.",
        minimum=0,
        maximum=1,
    )
    style_scale: float = option(
        1.0,
        "Objective",
        "Size of the style images relative to the output image; 2 doubles the size of the strokes.",
        minimum=0.05,
        maximum=20,
    )
    preserve_color: Literal["none", "luminance", "match"] = option(
        "none",
        "Objective",
        "Keep the colours of the content image: 'luminance' optimises luminance only, 'match' first matches the "
        "colours of the style images to it.",
    )

    arch: Literal["vgg19", "vgg16"] = option("vgg19", "Network", "Network architecture.")
    weights: str = option(
        "oxford",
        "Network",
        "Network weights: 'oxford' (installed), 'torchvision' or 'torchvision-features' (downloaded), or a file.",
        file_or=WEIGHT_SOURCES,
    )
    weights_preprocessing: Literal["caffe", "caffe-rgb", "torchvision"] | None = option(
        None, "Network", "Input preprocessing of a weights file that does not specify it."
    )
    pooling: Pooling = option("max", "Network", "Pooling used by the network (Gatys et al. replace max by average).")
    extractor: str | None = option(
        None,
        "Network",
        "Exported feature extractor. ONNX files serve for the targets only (no gradient).",
        file_or=(),
    )
    objective: str | None = option(
        None, "Network", "Exported objective that computes loss and gradient in place of PyTorch.", file_or=()
    )
    painter: str | None = option(
        None, "Network", "Exported painter that makes the whole run in place of PyTorch.", file_or=()
    )
    runtime: RuntimeName = option("onnxruntime", "Network", "Program that executes the exported ONNX file.")

    optimizer: Literal["lbfgs", "adam"] = option("lbfgs", "Optimiser", "Optimisation algorithm.")
    iterations: int = option(
        270, "Optimiser", "Number of evaluations of loss and gradient, over all scales.", minimum=1, maximum=10**9
    )
    learning_rate: float = option(
        0.02, "Optimiser", "Step size of Adam, for pixel values in [0, 1].", minimum=1e-9, maximum=100
    )
    averaging: float = option(
        0.0,
        "Optimiser",
        "Decay of the moving average over Adam's iterates; 0 for none.",
        minimum=0,
        maximum=0.99999,
    )
    history: int = option(20, "Optimiser", "L-BFGS history size (number of curvature pairs).", minimum=1, maximum=1000)
    init: str = option(
        "matched",
        "Optimiser",
        "Initial image: 'content', 'matched' (content with the colours of the style), 'noise', 'blend' "
        "(content and noise), or an image file.",
        file_or=INITIAL_IMAGES,
    )
    blend: float = option(0.5, "Optimiser", "Fraction of noise in --init blend.", minimum=0, maximum=1)
    seed: int = option(0, "Optimiser", "Random seed of the noise.", minimum=0, maximum=2**63 - 1)

    scales: int = option(
        0, "Scales", "Number of scales, coarse to fine; 1 for the final size only, 0 for automatic.", minimum=0
    )
    scale_factor: float = option(2.0, "Scales", "Ratio of the sizes of successive scales.", minimum=1.01, maximum=16)
    min_scale_size: int = option(
        128,
        "Scales",
        "Smallest long side of an automatically chosen scale, in pixels; coarse scales give large shapes.",
        minimum=MIN_SIDE,
    )

    reference_size: int = option(
        512,
        "Scales",
        "Long side in pixels at which the content and total variation weights apply unscaled; 0 for the final size.",
        minimum=0,
    )
    content_scaling: float = option(
        3.0,
        "Scales",
        "Exponent N of the factor (reference size / long side)^N of the content weight at each scale; higher values "
        "keep more of the scene, 0 gives the same weight at all scales.",
        minimum=0,
        maximum=6,
    )
    tv_scaling: float = option(
        1.5,
        "Scales",
        "Exponent N of the factor (reference size / long side)^N of the weight of total variation at each scale; 0 "
        "gives the same weight at all scales.",
        minimum=0,
        maximum=6,
    )
    padding: int = option(
        16,
        "Scales",
        "Width in pixels of the margin that the network reads around every image, so that edges of the style image are "
        "not copied to the output; 0 for none.",
        minimum=0,
        maximum=256,
    )

    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "Machine", "Compute device.")
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"] = option(
        "auto",
        "Machine",
        "Precision of the network; 'auto' is bf16 or fp16 where the hardware supports it, else fp32. Artifacts "
        "compute in fp32, an objective also in bf16 with --runtime openvino.",
    )
    max_memory: int = option(
        0,
        "Machine",
        "Memory limit on the compute device, e.g. 6GB; 0 for all free memory. Images that need more are tiled.",
        size=True,
    )
    tile_size: int = option(0, "Machine", "Largest side of a tile, in pixels; 0 for automatic.", minimum=0)

    def __post_init__(self) -> None:
        """Convert every value into its stored form, and refuse values that cannot work."""
        for name, described in options_of(self).items():
            object.__setattr__(self, name, described.parse(getattr(self, name)))
        for name in ("content_layers", "style_layers"):
            layers = tuple(canonical_layer_name(layer, self.arch) for layer in getattr(self, name))
            if len(set(layers)) < len(layers):
                raise UsageError(f"{flag_of(name)} names a layer twice: {', '.join(layers)}; name each once")
            object.__setattr__(self, name, layers)
        check_combinations(self)

    @property
    def tileable(self) -> bool:
        """Whether the objective can be evaluated tile by tile."""
        return style_loss_spec(self.style_loss).tileable

    @property
    def normalized_strength(self) -> float | None:
        """The strength that sets the ratio of content and style; None if their weights set it."""
        if self.strength is None and self.content_weight is None and self.style_weight is None:
            return DEFAULT_STRENGTH
        return self.strength

    @property
    def content_weights(self) -> dict[str, float]:
        """The weight of the content loss at each content layer."""
        return _per_layer(self.content_layers, (1.0,) if self.content_weight is None else self.content_weight)

    @property
    def style_weights(self) -> dict[str, float]:
        """The weight of the style loss at each style layer."""
        if self.style_weight is not None:
            return _per_layer(self.style_layers, self.style_weight)
        layer_weight = style_loss_spec(self.style_loss).layer_weight
        return {tap: layer_weight(channels_of(tap, self.arch), stride_of(tap)) for tap in self.style_layers}

    @property
    def total_variation_weight(self) -> float:
        """The weight of the total variation loss. The default is meant for the default style weights."""
        if self.tv_weight is not None:
            return self.tv_weight
        return DEFAULT_TV_WEIGHT if self.style_weight is None else 0.0

    @classmethod
    def preset(cls, name: str, **options: Any) -> Self:
        """Return the configuration of a preset (see `core.config.presets`), overridden by `options`."""
        return cls(**(preset_options(name) | options))

    @classmethod
    def effort(cls, name: str, **options: Any) -> Self:
        """Return the configuration of an effort (see `core.config.presets`), overridden by `options`."""
        return cls(**(effort_options(name) | options))

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Return the configuration with the options of a mapping, such as a parsed file.

        Raises:
            UsageError: A key is not the name of an option, or a value is refused.
        """
        known = [field.name for field in fields(cls)]
        for key in options:
            if key not in known:
                raise UsageError(f"unknown option {key!r}: expected one of {', '.join(known)}")
        return cls(**options)

    def with_options(self, **options: Any) -> Self:
        """Return a copy with some options changed."""
        return replace(self, **options)

    def differences(self, recorded: Mapping[str, Any], ignored: Sequence[str] = WITHOUT_EFFECT_ON_RESULT) -> list[str]:
        """Return the flags of the options by which this configuration differs from a recorded one.

        Args:
            recorded: All options as returned by `to_dict`, possibly of another version of this program. The record in
                an image has file names without folders, which are compared with file names.
            ignored: The options that may differ.
        """
        own = self.to_dict()
        for name in FILE_OPTIONS:
            if own[name] is not None and recorded.get(name) == PurePath(own[name]).name:
                own[name] = recorded[name]
        names = sorted((own.keys() | recorded.keys()) - set(ignored))
        return [flag_of(name) for name in names if own.get(name) != recorded.get(name)]

    @property
    def files(self) -> dict[str, Path]:
        """The files that options name, by the names of the options.

        A painter, or an objective with an extractor, replaces weights, whose file need not be on this machine then.
        """
        values = {name: (getattr(self, name), options_of(self)[name].names) for name in FILE_OPTIONS}
        files = {name: Path(value) for name, (value, names) in values.items() if value and value not in names}
        if (self.painter or (self.objective and self.extractor)) and not is_file(self.weights):
            files.pop("weights", None)
        return files

    def to_dict(self) -> dict[str, Any]:
        """Return all options as JSON values, from which `from_options` restores the configuration.

        Files have absolute paths, so that the values mean the same in another folder.
        """
        values = asdict(self) | {name: os.path.realpath(path) for name, path in self.files.items()}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


FILE_OPTIONS = tuple(name for name, described in options_of(TransferConfig).items() if described.kind == "file")
"""Options whose value may be the path of a file."""


def _per_layer(layers: Sequence[str], weights: Sequence[float]) -> dict[str, float]:
    return dict(zip(layers, weights if len(weights) > 1 else [*weights] * len(layers), strict=True))
