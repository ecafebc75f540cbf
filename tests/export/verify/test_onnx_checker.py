"""Structural check of ONNX models."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from core.errors import StyleTransferError
from export.verify.onnx_checker import check_onnx


def test_check_onnx_accepts_an_artifact(exported: Callable[..., Path]) -> None:
    check_onnx(exported("onnx"))


def test_check_onnx_refuses_an_unknown_operator(exported: Callable[..., Path], tmp_path: Path) -> None:
    model = onnx.load(exported("onnx"))
    model.graph.node[1].op_type = "NoSuchOperator"
    onnx.save(model, tmp_path / "e.onnx")
    with pytest.raises(StyleTransferError, match=r"^\S+ is not a valid ONNX model \(.+\): export it again$"):
        check_onnx(tmp_path / "e.onnx")
