"""The precision is the fastest that the device supports."""

from pathlib import Path

import pytest
import torch

from core.backends.device import choose_precision
from core.backends.torch_backend import TorchBackend
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError

CPU = torch.device("cpu")


def test_auto_selects_the_fastest_precision_of_the_cpu(tiny_vgg: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_precision(TransferConfig(), CPU) == "fp32"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert choose_precision(TransferConfig(), CPU) == "bf16"
    assert choose_precision(TransferConfig(precision="fp32"), CPU) == "fp32"
    for artifact in ({"extractor": "some.onnx"}, {"objective": "some.onnx"}):
        assert choose_precision(TransferConfig(**artifact), CPU) == "fp32"
    assert TorchBackend(TransferConfig(device="cpu")).describe()["precision"] == "bf16"


def test_unsupported_precisions_are_errors(tmp_path: Path) -> None:
    with pytest.raises(StyleTransferError, match="cpu does not support --precision tf32: use auto or fp32"):
        choose_precision(TransferConfig(precision="tf32"), CPU)
    with pytest.raises(UsageError, match="artifacts compute in fp32"):
        TransferConfig(precision="bf16", extractor=str(tmp_path / "extractor.pt"))
