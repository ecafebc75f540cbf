"""Winograd convolutions against those of PyTorch in float64."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from core.network import winograd
from core.network.fused import FusedVGG
from core.network.vgg import load_vgg_features
from core.network.weights import Weights
from core.network.winograd import WinogradConvolution, is_faster


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def difference(found: Tensor, expected: Tensor) -> float:
    """Relative L2."""
    distance = torch.linalg.norm(found.double() - expected.double()) / torch.linalg.norm(expected.double())
    return distance.item()


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (4, 5), (5, 4), (9, 13), (34, 18)], ids=str)
@pytest.mark.parametrize("chunk", [1, 4000, 2**22])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
def test_winograd_equals_the_direct_convolution(
    size: tuple[int, int], chunk: int, relu: bool, with_bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For two images of any size, in one chunk of rows or in several, of which the last may be smaller."""
    monkeypatch.setattr(winograd, "VALUES_PER_CHUNK", chunk)
    features, weight, bias = drawn(2, 7, *size), drawn(5, 7, 3, 3), drawn(5) if with_bias else None
    expected = conv2d(features, weight, bias, padding=1)
    convolution = WinogradConvolution(weight, torch.float64)
    found = convolution(features.contiguous(memory_format=torch.channels_last), bias, relu=relu)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected.relu() if relu else expected, rtol=0, atol=1e-13)


def test_winograd_in_float32_has_an_error_of_float32() -> None:
    features, weight = drawn(1, 256, 24, 32).relu(), drawn(256, 256, 3, 3)
    found = WinogradConvolution(weight, torch.float32)(features.float())
    assert difference(found, conv2d(features, weight, padding=1)) < 1e-6


def test_is_faster_depends_on_channels_device_and_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    wide, narrow, elsewhere = torch.ones(256, 256, 3, 3), torch.ones(256, 128, 3, 3), torch.ones(1).to("meta")
    assert is_faster(wide, torch.float32)
    assert not is_faster(narrow, torch.float32)
    assert not is_faster(elsewhere.expand(256, 256, 3, 3), torch.float32)
    assert not is_faster(wide, torch.float64)
    for has_bfloat16, has_amx in ((False, False), (True, False), (True, True)):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has=has_bfloat16: has)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda has=has_amx: has)
        assert is_faster(wide, torch.bfloat16) == (has_bfloat16 and not has_amx)


def test_bfloat16_does_not_use_winograd_up_to_the_deepest_content_layer(
    vgg19_weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = load_vgg_features(vgg19_weights, ("relu3_4", "relu4_2", "relu4_4"))
    image = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr("core.network.fused_layers.is_faster", lambda *_: False)
    direct = FusedVGG(plain, torch.bfloat16)(image)
    monkeypatch.setattr(
        "core.network.fused_layers.is_faster", lambda weight, _: min(weight.shape[:2]) >= winograd.MIN_CHANNELS
    )
    exact, inexact = (FusedVGG(plain, torch.bfloat16, content)(image) for content in (("relu4_2",), ()))
    assert [torch.equal(exact[tap], direct[tap]) for tap in direct] == [True, True, False]
    assert [torch.equal(inexact[tap], direct[tap]) for tap in direct] == [False, False, False]
    assert all(difference(found[tap], direct[tap]) < 0.03 for found in (exact, inexact) for tap in direct)
