"""A small random VGG under the names of the published networks, for tests where trained weights do not matter."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest
import torch

import core.network.weights
from core.network.architecture import ARCHITECTURES, WEIGHT_SOURCES, convolutions
from core.network.weight_files import StoredWeights
from core.network.weight_sources import read_source

TINY_CHANNELS = (8, 8, 12, 16, 16)
"""Channels of the five blocks. The published networks have 64, 128, 256, 512 and 512."""

GAIN = 20.0
"""Factor on the first convolution that gives losses of the magnitude that trained weights give."""


@contextmanager
def use_tiny_vgg() -> Iterator[None]:
    """Let "vgg16" and "vgg19" have few channels, and the named sources of weights return random ones.

    Layers, names and strides are unchanged. Files of weights are read as always. The weights are the same in every
    call and process.
    """
    with pytest.MonkeyPatch.context() as patch:
        for arch, blocks in tuple(ARCHITECTURES.items()):
            small = tuple((count, channels) for (count, _), channels in zip(blocks, TINY_CHANNELS, strict=True))
            patch.setitem(ARCHITECTURES, arch, small)
        patch.setattr(core.network.weights, "read_source", _read_tiny_source)
        yield


def random_state(arch: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights of `arch`, scaled (He et al. 2015) so that activations keep their size."""
    generator, state = torch.Generator().manual_seed(seed), {}
    for conv in convolutions(arch):
        spread = (2 / (9 * conv.in_channels)) ** 0.5
        shape = (conv.out_channels, conv.in_channels, 3, 3)
        state[f"{conv.name}.weight"] = torch.randn(shape, generator=generator) * spread
        state[f"{conv.name}.bias"] = torch.randn(conv.out_channels, generator=generator) * 0.1
    return state


def _read_tiny_source(source: str, arch: str, *, progress: bool = False) -> StoredWeights:
    if source not in WEIGHT_SOURCES or (source, arch) == ("oxford", "vgg16"):  # the second raises
        return read_source(source, arch, progress=progress)
    preprocessing = "caffe" if source == "oxford" else "torchvision"
    return StoredWeights(_tiny_state(arch), preprocessing, hashlib.sha256(f"tiny {arch}".encode()).hexdigest())


@cache
def _tiny_state(arch: str) -> dict[str, torch.Tensor]:
    state = random_state(arch)
    state["conv1_1.weight"] *= GAIN
    return state
