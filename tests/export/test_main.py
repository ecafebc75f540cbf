"""The command line: what it prints, what it refuses in one sentence, and with which status it ends."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import onnx
import pytest
from safetensors.torch import save_file

from core.artifacts.manifest import read_manifest
from core.files import sha256_of
from core.network.weights import load_weights
from support.export_command import refused, run

Exported = Callable[..., Path]


def test_extractor_prints_what_it_wrote_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "small.pt"
    command = [sys.executable, "-m", "export", "extractor", "-o", str(path), "--taps", "relu1_1,relu1_2"]
    ran = subprocess.run([*command, "--pooling", "average"], capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    first, second = ran.stdout.splitlines()
    assert first.startswith(f"{path}: extractor, torchscript fp32, 0.2 MB; from float64: features ")
    assert second == f"{sha256_of(path)}  small.pt"
    assert (tmp_path / "small.pt.sha256").read_text() == second + "\n"
    manifest = read_manifest(path)
    assert (manifest.taps, manifest.pooling) == (("relu1_1", "relu1_2"), "average")


@pytest.mark.parametrize("name", ["e.onnx", "e.pt2"])
def test_the_tracers_are_quiet_too(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "export", "extractor", "-o", str(tmp_path / name), "--taps", "relu1_1"]
    ran = subprocess.run([*command, "--no-sha256"], capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    assert len(ran.stdout.splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_the_name_of_the_file_need_not_say_the_format(tmp_path: Path) -> None:
    assert run("extractor", "-o", tmp_path / "e.model", "--format", "torchscript", "--taps", "relu1_1").exit_code == 0
    assert read_manifest(tmp_path / "e.model").format == "torchscript"
    assert refused("extractor", "-o", tmp_path / "f.model") == (
        "the name f.model does not say a format: add --format, or end it in .pt, .onnx, .pt2"
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--taps", "relu9_1"], "there is no layer 'relu9_1' in vgg19"),
        (["--taps", ""], "there is no layer '' in vgg19"),
        (["--pooling", "min"], "--pooling is 'min': expected one of max, average"),
        (["--arch", "vgg16"], "the Oxford weights are a vgg19, not a vgg16"),
        (["--weights", "missing.pth"], "no weights 'missing.pth'"),
    ],
)
def test_what_cannot_be_exported_is_told(options: list[str], sentence: str, tmp_path: Path) -> None:
    assert refused("extractor", "-o", tmp_path / "e.onnx", *options).startswith(sentence)
    assert list(tmp_path.iterdir()) == []


def test_an_artifact_never_overwrites_the_weights_it_is_made_from(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"weights")
    refused("extractor", "-o", path, "--weights", path)
    assert path.read_bytes() == b"weights"


@pytest.mark.parametrize("format", ["torchscript", "onnx", "pt2"])
def test_verify_prints_a_table_of_what_it_compared(format, exported: Exported) -> None:
    result = run("verify", exported(format))
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [line for line in result.stdout.splitlines() if "ok" in line]
    assert len(rows) == 4 * (3 if format == "onnx" else 4)  # images, taps, and the gradient where there is one
    assert any("relu3_1, 2 × 33 × 47" in row for row in rows)
    assert "FAILED" not in result.stdout


def test_verify_fails_with_the_worst_figure(exported: Exported, tmp_path: Path) -> None:
    state = load_weights("vgg19").state
    state["conv2_1.weight"] = state["conv2_1.weight"] * 1.01
    save_file(state, tmp_path / "other.safetensors", {"preprocessing": "caffe"})
    result = run("verify", exported("onnx"), "--against", tmp_path / "other.safetensors")
    assert result.exit_code == 1
    assert result.stdout.count("FAILED") == 8  # relu2_1 and relu3_1, four images each; relu1_1 is as it was
    assert result.stdout.count("ok") == 4
    assert result.stderr.startswith(f"Error: {exported('onnx')} is out of bounds: features 9.")
    assert result.stderr.endswith("where 1.0e-06 is allowed\n")


def test_verify_finds_weights_that_were_changed_without_a_checksum(exported: Exported, tmp_path: Path) -> None:
    model = onnx.load(exported("onnx"))
    (weight,) = (tensor for tensor in model.graph.initializer if tensor.name == "layers.conv2_1.weight")
    values = onnx.numpy_helper.to_array(weight).copy()
    values[0] += 0.01
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, tmp_path / "e.onnx")
    result = run("verify", tmp_path / "e.onnx")
    assert result.exit_code == 1
    assert "is out of bounds: features" in result.stderr


def test_verify_runs_the_onnx_checker(exported: Exported, tmp_path: Path) -> None:
    model = onnx.load(exported("onnx"))
    model.graph.node[1].op_type = "NoSuchOperator"
    onnx.save(model, tmp_path / "e.onnx")
    sentence = refused("verify", tmp_path / "e.onnx", status=1)
    assert sentence.startswith(f"{tmp_path / 'e.onnx'} is no valid ONNX model (")


def test_verify_compares_with_the_very_weights_the_artifact_was_made_from(tmp_path: Path) -> None:
    weights = tmp_path / "w.safetensors"
    state = {name: values for name, values in load_weights("vgg19").state.items() if name.startswith("conv1_1")}
    save_file(state, weights, {"preprocessing": "caffe"})
    path = tmp_path / "e.pt"
    assert run("extractor", "-o", path, "--weights", weights, "--taps", "relu1_1").exit_code == 0
    assert run("verify", path).exit_code == 0
    save_file({name: values + 1 for name, values in state.items()}, weights, {"preprocessing": "caffe"})
    assert refused("verify", path).startswith(f"the weights in {weights} are not those that {path} was made from")
    assert run("verify", path, "--against", "oxford").exit_code == 0


def test_inspect_prints_the_manifest(exported: Exported) -> None:
    result = run("inspect", exported("onnx"))
    assert result.exit_code == 0
    for text in ("relu1_1, relu2_1, relu3_1", "source: oxford", "RGB in [0, 1]", "opset", "relative_l2: "):
        assert text in result.stdout


def test_inspect_prints_json_for_programs(exported: Exported) -> None:
    result = run("inspect", "--json", exported("pt2"))
    assert json.loads(result.stdout) == json.loads(json.dumps(asdict(read_manifest(exported("pt2")))))


@pytest.mark.parametrize("command", [["--help"], ["extractor", "--help"], ["inspect", "ARTIFACT"]])
def test_answering_needs_no_torch(command: list[str], exported: Exported) -> None:
    program = (
        "import runpy, sys\n"
        "try: runpy.run_module('export', run_name='__main__', alter_sys=True)\n"
        "except SystemExit: print(sorted({'torch', 'onnx', 'onnxruntime'} & sys.modules.keys()))"
    )
    arguments = [str(exported("onnx")) if word == "ARTIFACT" else word for word in command]
    ran = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_a_bad_artifact_is_one_sentence(command: str, exported: Exported, tmp_path: Path) -> None:
    path = tmp_path / "e.onnx"
    assert refused(command, path) == f"there is no artifact '{path}': write one with python -m export"
    path.write_bytes(exported("onnx").read_bytes()[:100_000])
    assert refused(command, path) == f"{path} is damaged or not complete: export it again"
    shutil.copy(f"{exported('onnx')}.sha256", f"{path}.sha256")
    assert refused(command, path) == (
        f"{path} does not match its checksum in e.onnx.sha256: it was changed or is not complete, so export it again"
    )
