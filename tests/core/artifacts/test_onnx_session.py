"""ONNX Runtime sessions: metadata without execution, errors in one sentence, and the choice of the provider."""

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from core.artifacts import onnx_session
from core.artifacts.onnx_session import open_session, provider_of, read_metadata, run_session
from core.errors import StyleTransferError, UsageError

SIDE = 600


def write_model(path: Path, nodes: list[onnx.NodeProto], *, opset: int = 18, ir_version: int = 10) -> Path:
    """A model with the input x, the constant w and the output y, all (SIDE, SIDE), and one metadata entry."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [SIDE, SIDE]) for name in "xy")
    w = numpy_helper.from_array(np.eye(SIDE, dtype=np.float32), "w")
    graph = helper.make_graph(nodes, "graph", [x], [y], [w])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    helper.set_model_props(model, {"key": "value"})
    onnx.save(model, path)
    return path


def addition() -> list[onnx.NodeProto]:
    return [helper.make_node("Add", ["x", "w"], ["y"])]


def test_read_metadata_returns_the_entries(tmp_path: Path) -> None:
    assert read_metadata(write_model(tmp_path / "m.onnx", addition())) == {"key": "value"}


def test_a_model_with_weights_in_another_file_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", addition())
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights", size_threshold=0)
    for read in (read_metadata, open_session):
        with pytest.raises(UsageError, match=r"m\.onnx stores weights in other files, which are not read: export it"):
            read(path)


def test_read_metadata_folds_no_constants(tmp_path: Path) -> None:
    """Products of constants take seconds to fold when a session is opened to run."""
    products = [helper.make_node("MatMul", [f"p{i - 1}" if i else "w", "w"], [f"p{i}"]) for i in range(40)]
    path = write_model(tmp_path / "m.onnx", [*products, helper.make_node("Add", ["x", "p39"], ["y"])])
    started = time.process_time()
    read_metadata(path)
    reading = time.process_time() - started
    open_session(path, "cpu")
    assert reading < 0.5 * (time.process_time() - started - reading)


def test_run_session_returns_outputs_by_name(tmp_path: Path) -> None:
    session = open_session(write_model(tmp_path / "m.onnx", addition()), "cpu")
    x = np.ones((SIDE, SIDE), np.float32)
    np.testing.assert_array_equal(run_session(session, ["y"], {"x": x})["y"], x + np.eye(SIDE))
    assert provider_of(session) == "CPUExecutionProvider"


def test_run_session_reports_the_shapes_of_unsuitable_inputs(tmp_path: Path) -> None:
    session = open_session(write_model(tmp_path / "m.onnx", addition()), "cpu")
    with pytest.raises(StyleTransferError, match=r"^ONNX Runtime failed with x \(1, 4\) \("):
        run_session(session, ["y"], {"x": np.zeros((1, 4), np.float32)})


@pytest.mark.parametrize("load", [open_session, read_metadata])
@pytest.mark.parametrize(("opset", "ir_version"), [(99, 10), (18, 99)])
def test_a_newer_opset_is_refused(load, opset: int, ir_version: int, tmp_path: Path, capfd) -> None:
    path = write_model(tmp_path / "m.onnx", addition(), opset=opset, ir_version=ir_version)
    with pytest.raises(UsageError) as caught:
        load(path)
    assert str(caught.value) == (
        f"{path} needs a newer ONNX opset than onnxruntime {onnxruntime.__version__} supports: "
        "update onnxruntime, or export it with a lower --opset"
    )
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("load", [open_session, read_metadata])
def test_an_unknown_operator_is_refused(load, tmp_path: Path, capfd) -> None:
    path = write_model(tmp_path / "m.onnx", [helper.make_node("NoSuchOperator", ["x", "w"], ["y"])])
    with pytest.raises(UsageError, match=r"m\.onnx contains the operator 'NoSuchOperator', which no exported file has"):
        load(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")
def test_a_graph_that_needs_more_than_the_available_memory_fails(tmp_path: Path) -> None:
    """A machine with 400 MB available; the graph would repeat an image of 1.4 MB to 11 GB."""
    path = write_model(tmp_path / "m.onnx", [helper.make_node("Tile", ["x", "repeats"], ["y"])])
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.array([90, 90]), "repeats"))
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    onnx.save(model, path)
    program = rf"""
        import pathlib, re, sys
        import numpy as np
        import core.artifacts.onnx_session as sessions
        sessions.host_memory = lambda: 4e8
        session = sessions.open_session(sys.argv[1], "cpu")
        try:
            sessions.run_session(session, ["y"], {{"x": np.ones(({SIDE}, {SIDE}), np.float32)}})
        except sessions.StyleTransferError as error:
            print(str(error).startswith("ONNX Runtime failed with x (600, 600) ("), error.exit_status)
        peak = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path("/proc/self/status").read_text())
        print(int(peak[1]) * 1024 < 2e9)
        """
    command = [sys.executable, "-c", textwrap.dedent(program), str(path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["True", "1", "True"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_open_session_falls_back_to_the_cpu_silently(tmp_path: Path, capfd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_session, "_has_cuda_device", lambda: True)  # as with a CUDA driver, but without cuDNN
    session = open_session(write_model(tmp_path / "m.onnx", addition()), "auto")
    assert provider_of(session) == "CPUExecutionProvider"
    assert capfd.readouterr() == ("", "")
