"""The runtimes of ONNX artifacts: their names, precisions and errors."""

import sys
from pathlib import Path

import pytest

from core.artifacts import openvino_session
from core.artifacts.onnx_session import open_session
from core.artifacts.runtimes import ONNX_RUNTIME, RUNTIMES, Execution
from core.config.options import options_of
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError


def test_every_runtime_is_a_value_of_the_option() -> None:
    option = options_of(TransferConfig)["runtime"]
    assert tuple(RUNTIMES) == option.choices
    assert Execution(option.default) == ONNX_RUNTIME


def test_a_precision_that_the_runtime_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        Execution("onnxruntime", "bf16")
    assert str(caught.value) == (
        "--precision is bf16, but onnxruntime computes in fp32: remove --precision, or add --runtime openvino"
    )


def test_a_missing_runtime_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr(openvino_session, "openvino_core", openvino_session.openvino_core.__wrapped__)  # not cached
    with pytest.raises(StyleTransferError) as caught:
        Execution("openvino").open(tmp_path / "m.onnx")
    assert str(caught.value) == "--runtime openvino needs OpenVINO, which is not installed: pip install openvino"


def test_onnx_runtime_is_the_default(exported) -> None:
    path = exported("onnx")
    opened, expected = ONNX_RUNTIME.open(path, "cpu"), open_session(path, "cpu")
    assert [output.name for output in opened.get_outputs()] == [output.name for output in expected.get_outputs()]
    assert opened.get_providers() == expected.get_providers()
    assert ONNX_RUNTIME.version
