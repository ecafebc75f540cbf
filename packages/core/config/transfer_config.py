"""What a run is asked to do: one frozen object, each option with its one default and its one explanation.

The fields of `TransferConfig` are the options of the command lines and the keys of `--config` files; their
metadata hold what a command line shows. Nothing here needs PyTorch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import Field, asdict, dataclass, field, fields, replace
from types import NoneType
from typing import Any, Literal, Self, get_args, get_origin

from core.byte_sizes import parse_size
from core.config.presets import preset_options
from core.errors import UsageError
from core.network.architecture import MIN_SIDE, canonical_layer_name


def _option(
    default: Any, group: str, text: str, *, least: float | None = None, most: float = math.inf, size: bool = False
) -> Any:
    """A field with what a command line shows of it, and the bounds of its value, which may be a `size` in bytes."""
    return field(default=default, metadata={"group": group, "help": text, "least": least, "most": most, "size": size})


INDIFFERENT = ("save_every", "device", "max_memory", "tile_size")
"""Options that leave the painting what it is, up to rounding."""


@dataclass(frozen=True, kw_only=True)
class TransferConfig:
    """Every choice of a run but its pictures.

    Layer lists and weights may be given as sequences, as single values, or as comma-separated text; they are
    stored as tuples. A single weight counts for every layer. Layers are stored under their canonical names.

    Raises:
        UsageError: A value is out of its range; the sentence says which, and what would do.
    """

    image_size: int = _option(512, "Picture", "Bound on the long side of the painting, in pixels.", least=16)
    image_size_side: Literal["long", "short"] = _option(
        "long",
        "Picture",
        "Which side --image-size speaks of. 'long' never enlarges; 'short' makes the short side exactly that.",
    )
    bit_depth: int = _option(8, "Picture", "Bits per channel of the file: 8, or 16 for PNG and TIFF.", least=8, most=16)
    quality: int = _option(95, "Picture", "Quality of JPEG and WebP files.", least=1, most=100)
    save_every: int = _option(
        0, "Picture", "Also save the picture every so many evaluations, numbered beside the output.", least=0
    )

    content_weight: tuple[float, ...] = _option(
        (1.0,), "Objective", "Weight of the content, one for all layers or a comma list.", least=0
    )
    style_weight: tuple[float, ...] = _option(
        (0.1,), "Objective", "Weight of the style, one for all layers or a comma list.", least=0
    )
    tv_weight: float = _option(
        0.0, "Objective", "Weight of the total variation; more makes the painting smoother.", least=0
    )
    content_layers: tuple[str, ...] = _option(("relu4_2",), "Objective", "Layers that hold the content (comma list).")
    style_layers: tuple[str, ...] = _option(
        ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
        "Objective",
        "Layers that hold the style (comma list).",
    )
    style_loss: Literal["gram", "wasserstein", "sliced-wasserstein"] = _option(
        "gram",
        "Objective",
        "How styles are compared: by Gram matrices; by mean and covariance and their Wasserstein distance; or by all "
        "of the features' distribution and its sliced Wasserstein distance (slower).",
    )
    strength: float | None = _option(
        None,
        "Objective",
        "How much style, from 0 to 1, alike for all pictures, styles and sizes; balances the two weights.",
        least=0,
        most=1,
    )
    style_scale: float = _option(
        1.0,
        "Objective",
        "Size of the styles beside the painting; 2 makes their strokes twice as large.",
        least=0.05,
        most=20,
    )
    preserve_color: Literal["none", "luminance", "match"] = _option(
        "none",
        "Objective",
        "Keep the photograph's colours: paint its luminance alone, or bring the styles into its colours first.",
    )

    arch: Literal["vgg19", "vgg16"] = _option("vgg19", "VGGFeatures", "The network.")
    weights: str = _option(
        "oxford",
        "VGGFeatures",
        "Its weights: 'oxford' (installed), 'torchvision' or 'torchvision-features' (downloaded), or a file.",
    )
    weights_preprocessing: Literal["caffe", "caffe-rgb", "torchvision"] | None = _option(
        None, "VGGFeatures", "What input the weights expect, where a file does not say."
    )
    pooling: Literal["max", "average"] = _option("max", "VGGFeatures", "How the network shrinks its features.")

    extractor: str | None = _option(
        None,
        "VGGFeatures",
        "An exported extractor that computes the targets; one that PyTorch runs serves the optimisation too.",
    )
    objective: str | None = _option(
        None, "VGGFeatures", "An exported objective that computes loss and gradient in place of PyTorch."
    )

    optimizer: Literal["lbfgs", "adam"] = _option("lbfgs", "Optimiser", "How the pixels are optimised.")
    iterations: int = _option(
        200, "Optimiser", "Length of the run in evaluations of loss and gradient, over all scales.", least=1
    )
    learning_rate: float = _option(0.02, "Optimiser", "Step size of Adam, in units of the [0, 1] range.", least=1e-9)
    averaging: float = _option(
        0.0, "Optimiser", "Decay of Adam's moving average of the pictures; 0 for none.", least=0, most=0.99999
    )
    history: int = _option(20, "Optimiser", "Pairs of steps that L-BFGS remembers.", least=1)
    init: str = _option(
        "matched",
        "Optimiser",
        "Where to start: 'content', 'matched' (content in the style's colours and contrasts), 'noise', 'blend' "
        "(content and noise), or a picture.",
    )
    blend: float = _option(0.5, "Optimiser", "Share of noise in --init blend.", least=0, most=1)
    seed: int = _option(0, "Optimiser", "Seed of the noise.", least=0, most=2**63 - 1)

    scales: int = _option(
        0, "Scales", "Sizes to paint at, coarse to fine; 1 for the final size alone, 0 to choose.", least=0
    )
    scale_factor: float = _option(2.0, "Scales", "Ratio between one size and the next.", least=1.01, most=16)
    min_scale_size: int = _option(
        192,
        "Scales",
        "The coarsest size to choose (long side): below it, scenes lose their content.",
        least=16,
    )

    device: Literal["auto", "cpu", "cuda", "mps"] = _option("auto", "Machine", "Where to compute.")
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"] = _option(
        "auto",
        "Machine",
        "What the network computes in; 'auto' takes bf16 or fp16 where the machine has instructions for it, else fp32. "
        "Losses and the optimiser stay in fp32.",
    )
    max_memory: int = _option(
        0,
        "Machine",
        "How much memory to take there, such as 6GB; 0 for what is free. What does not fit is computed in tiles.",
        size=True,
    )
    tile_size: int = _option(0, "Machine", "Side of the tiles in pixels; 0 to choose, if any are needed.", least=0)

    def __post_init__(self) -> None:
        """Bring every value into its stored form, and refuse what cannot work."""
        for option in fields(self):
            object.__setattr__(self, option.name, _stored(option, getattr(self, option.name)))
        for name in ("content_layers", "style_layers"):
            layers = tuple(canonical_layer_name(layer, self.arch) for layer in getattr(self, name))
            if len(set(layers)) < len(layers):
                raise UsageError(f"{_flag(name)} names a layer twice: {', '.join(layers)}; name each once")
            object.__setattr__(self, name, layers)
        self._check_together()

    def _check_together(self) -> None:
        for weight, layers in (("content_weight", "content_layers"), ("style_weight", "style_layers")):
            weights, names = getattr(self, weight), getattr(self, layers)
            if len(weights) not in (1, len(names)):
                raise UsageError(
                    f"{_flag(weight)} has {len(weights)} values for {len(names)} layers ({', '.join(names)}): "
                    "give one for all, or one for each"
                )
        if not any((*self.content_weight, *self.style_weight, self.tv_weight)):
            raise UsageError("every weight is 0, so there is nothing to optimise: give one a positive value")
        if self.bit_depth not in (8, 16):
            raise UsageError(f"--bit-depth is {self.bit_depth}: expected 8 or 16")
        if self.tile_size and not self.tileable:
            raise UsageError(
                "--style-loss sliced-wasserstein needs the whole picture at once: leave out --tile-size, or compare "
                "styles by gram or wasserstein"
            )
        if 0 < self.tile_size < MIN_SIDE:
            raise UsageError(f"--tile-size is {self.tile_size}: expected at least {MIN_SIDE}, or 0 to choose")
        if self.objective and (self.tile_size or self.max_memory):
            raise UsageError(
                "an exported objective computes the whole picture at once: leave out --tile-size and --max-memory, "
                "or --objective"
            )
        if self.precision in ("tf32", "bf16", "fp16") and (self.extractor or self.objective):
            raise UsageError(
                f"--precision is {self.precision}, but artifacts compute in float32: leave out --precision, or "
                "--extractor and --objective"
            )
        if not self.init:
            raise UsageError("--init is '': expected content, matched, noise, blend, or a picture")

    @property
    def tileable(self) -> bool:
        """Whether the objective can be computed tile by tile; sorting needs the whole picture."""
        return self.style_loss != "sliced-wasserstein"

    @property
    def content_weights(self) -> dict[str, float]:
        """Content layers and their weights."""
        return _per_layer(self.content_layers, self.content_weight)

    @property
    def style_weights(self) -> dict[str, float]:
        """Style layers and their weights."""
        return _per_layer(self.style_layers, self.style_weight)

    @classmethod
    def preset(cls, name: str, **options: Any) -> Self:
        """The defaults of a well-known program (see `core.config.presets`), with `options` instead where given."""
        return cls(**(preset_options(name) | options))

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """From a mapping such as a parsed file; an unknown key is refused by name."""
        known = [option.name for option in fields(cls)]
        for key in options:
            if key not in known:
                raise UsageError(f"unknown option {key!r}: expected one of {', '.join(known)}")
        return cls(**options)

    def with_options(self, **options: Any) -> Self:
        """A copy with some options changed."""
        return replace(self, **options)

    def differences(self, recorded: Mapping[str, Any]) -> list[str]:
        """The options, as flags, of which `recorded` (from `to_dict`) says that they made another painting."""
        ours = self.to_dict()
        names = sorted((ours.keys() | recorded.keys()) - set(INDIFFERENT))
        return [_flag(name) for name in names if ours.get(name) != recorded.get(name)]

    def to_dict(self) -> dict[str, Any]:
        """All options as JSON-ready values; `from_options` takes them back."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _per_layer(layers: Sequence[str], weights: Sequence[float]) -> dict[str, float]:
    return dict(zip(layers, weights if len(weights) > 1 else [*weights] * len(layers), strict=True))


def _stored(option: Field[Any], value: Any) -> Any:
    """`value` as the field keeps it; a single value or comma list becomes a tuple where one is meant."""
    kind = option.type
    if get_origin(kind) is not tuple:
        return _scalar(option, kind, value)
    items = value.split(",") if isinstance(value, str) else value
    items = items if isinstance(items, Sequence) else (items,)
    stored = tuple(_scalar(option, get_args(kind)[0], item) for item in items)
    if not stored or "" in stored:
        raise UsageError(f"{_flag(option.name)} is {value!r}: expected one value, or several separated by commas")
    return stored


def _scalar(option: Field[Any], kind: Any, value: Any) -> Any:
    if kind == float | None:
        return None if value is None else _scalar(option, float, value)
    choices = [choice for part in (get_args(kind) or (kind,)) for choice in get_args(part) or (part,)]
    if str in choices:
        return value if value is None and NoneType in choices else str(value).strip()
    if option.metadata["size"]:
        return _bytes(option, value)
    if kind not in (int, float):
        if value in choices or (value is None and NoneType in choices):
            return value
        expected = ", ".join(str(choice) for choice in choices if choice is not NoneType)
        raise UsageError(f"{_flag(option.name)} is {value!r}: expected one of {expected}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    least, most = option.metadata["least"], option.metadata["most"]
    fits = math.isfinite(number) and least <= number <= most and (kind is float or number.is_integer())
    if not fits or isinstance(value, bool):
        bounds = f"of at least {least:g}" if math.isinf(most) else f"from {least:g} to {most:g}"
        raise UsageError(
            f"{_flag(option.name)} is {value}: expected a {'whole ' if kind is int else ''}number {bounds}"
        )
    return kind(number) if kind is float else int(value)


def _bytes(option: Field[Any], value: Any) -> int:
    try:
        return parse_size(value)
    except ValueError as error:
        raise UsageError(f"{_flag(option.name)} is {value}: expected a size such as 6GB or 500MB, or 0") from error
