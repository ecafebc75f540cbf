"""OpenVINO sessions: the numbers of NumPy, and errors in one sentence."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.artifacts.onnx_session import provider_of, run_session
from core.artifacts.openvino_session import OPENVINO, open_openvino_session
from core.errors import StyleTransferError, UsageError

openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")

WEIGHT = np.random.default_rng(0).standard_normal((5, 4), np.float32)


def write_product(path: Path, **options: object) -> Path:
    """A model with the input x (n, 5) and the outputs product = x @ WEIGHT and double = 2 x."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 5])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", side])
        for name, side in (("product", 4), ("double", 5))
    ]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["product"]), helper.make_node("Add", ["x", "x"], ["double"])]
    graph = helper.make_graph(nodes, "graph", [x], outputs, [numpy_helper.from_array(WEIGHT, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, path, **options)
    return path


def test_run_returns_the_named_outputs_for_any_size(tmp_path: Path) -> None:
    session = open_openvino_session(write_product(tmp_path / "m.onnx"), "cpu")
    results = {}
    for rows in (3, 7):
        x = np.random.default_rng(rows).standard_normal((rows, 5), np.float32)
        results[rows] = (x, run_session(session, ["double", "product"], {"x": x}))
    for x, found in results.values():  # after all runs, because a run must not overwrite the arrays of another
        np.testing.assert_allclose(found["product"], x @ WEIGHT, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(found["double"], 2 * x)
    assert provider_of(session) == OPENVINO
    assert [output.name for output in session.get_outputs()] == ["product", "double"]


def test_signals_are_handled_after_sessions_ended(tmp_path: Path) -> None:
    """In a process of its own: several cores of OpenVINO once left a freed stack, on which a handler crashed."""
    lines = [
        "import signal, sys",
        "from core.artifacts.openvino_session import open_openvino_session",
        "first, second = (open_openvino_session(sys.argv[1]) for _ in range(2))",
        "del first",
        "del second",
        "signal.signal(signal.SIGINT, lambda *_: print('handled'))",
        "signal.raise_signal(signal.SIGINT)",
    ]
    command = [sys.executable, "-c", "\n".join(lines), write_product(tmp_path / "m.onnx")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.returncode) == ("handled\n", 0)


def test_unsuitable_inputs_are_reported(tmp_path: Path) -> None:
    session = open_openvino_session(write_product(tmp_path / "m.onnx"))
    with pytest.raises(StyleTransferError, match=r"^OpenVINO failed with x \(1, 4\) \("):
        run_session(session, ["product"], {"x": np.zeros((1, 4), np.float32)})


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(UsageError, match=r"m\.onnx is damaged: export it again$"):
        open_openvino_session(path)


def test_a_model_with_weights_in_another_file_is_refused(tmp_path: Path) -> None:
    path = write_product(tmp_path / "m.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    with pytest.raises(UsageError, match="cannot be loaded by OpenVINO"):
        open_openvino_session(path)


def test_another_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="--device is cuda, and OpenVINO runs on the CPU here: use --device auto or cpu"
    ):
        open_openvino_session(tmp_path / "m.onnx", "cuda")


def test_a_precision_without_instructions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: ["FP32"])
    with pytest.raises(StyleTransferError, match="this CPU has no bf16 instructions: remove --precision bf16"):
        open_openvino_session(tmp_path / "m.onnx", precision="bf16")
