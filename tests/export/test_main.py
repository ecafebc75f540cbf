"""The command line `python -m export`: output, errors and exit status."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import onnx
import onnxruntime
import pytest
from safetensors.torch import save_file

from core.artifacts.manifest import read_manifest
from core.config.exported_losses import exported_style_losses
from core.config.style_losses import STYLE_LOSSES
from core.files import sha256_of
from core.network.weights import load_weights
from export.options import FORMATS
from support.export_command import refused, run
from support.objectives import exported_objective

Exported = Callable[..., Path]


def test_extractor_prints_a_summary_and_the_checksum(tmp_path: Path) -> None:
    path = tmp_path / "small.pt"
    ran = run("extractor", "-o", path, "--taps", "relu1_1,relu1_2", "--pooling", "average")
    assert (ran.exit_code, ran.stderr) == (0, "")
    first, second = ran.stdout.splitlines()
    assert first.startswith(f"{path}: extractor, torchscript fp32, 0.2 MB; relative error against float64: features ")
    assert second == f"{sha256_of(path)}  small.pt"
    assert (tmp_path / "small.pt.sha256").read_text() == second + "\n"
    manifest = read_manifest(path)
    assert (manifest.taps, manifest.pooling) == (("relu1_1", "relu1_2"), "average")


@pytest.mark.slow
def test_tracers_print_nothing(tmp_path: Path) -> None:
    program = (
        "import sys; from export.__main__ import app\n"
        "for path in sys.argv[1:]:\n"
        "    app(['extractor', '-o', path, '--taps', 'relu1_1', '--no-sha256'], standalone_mode=False)"
    )
    paths = [str(tmp_path / name) for name in ("e.onnx", "e.pt", "e.pt2")]
    ran = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    assert [line.partition(":")[0] for line in ran.stdout.splitlines()] == paths
    assert sorted(str(file) for file in tmp_path.iterdir()) == paths


def test_format_option_overrides_the_suffix(tmp_path: Path, tiny_vgg: None) -> None:
    assert run("extractor", "-o", tmp_path / "e.model", "--format", "torchscript", "--taps", "relu1_1").exit_code == 0
    assert read_manifest(tmp_path / "e.model").format == "torchscript"
    assert refused("extractor", "-o", tmp_path / "f.model") == (
        "cannot infer the format from the name f.model: add --format, or end it in .onnx, .pt, .pt2, .aoti.pt2"
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
def test_extractor_refuses_invalid_options(options: list[str], sentence: str, tmp_path: Path) -> None:
    assert refused("extractor", "-o", tmp_path / "new" / "e.onnx", *options).startswith(sentence)
    assert list(tmp_path.iterdir()) == []


def test_extractor_never_overwrites_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"weights")
    refused("extractor", "-o", path, "--weights", path)
    assert path.read_bytes() == b"weights"


@pytest.mark.parametrize("format", ["torchscript", "onnx", "pt2"])
def test_verify_prints_a_table_of_comparisons(format, exported: Exported) -> None:
    result = run("verify", exported(format))
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [line for line in result.stdout.splitlines() if "ok" in line]
    assert len(rows) == 4 * (3 if format == "onnx" else 4)  # images, taps, and the gradient where there is one
    assert any("relu3_1, 2 × 33 × 47" in row for row in rows)
    assert "FAILED" not in result.stdout


def test_verify_fails_with_the_largest_error(exported: Exported, tmp_path: Path) -> None:
    state = load_weights("vgg19").state
    state["conv2_1.weight"] = state["conv2_1.weight"] * 1.01
    save_file(state, tmp_path / "other.safetensors", {"preprocessing": "caffe"})
    result = run("verify", exported("onnx"), "--against", tmp_path / "other.safetensors")
    assert result.exit_code == 1
    assert result.stdout.count("FAILED") == 8  # relu2_1 and relu3_1, four images each; relu1_1 is as it was
    assert result.stdout.count("ok") == 4
    sentence = f"Error: {exported('onnx')} differs too much from PyTorch: the relative L2 error of the features (relu"
    assert result.stderr.startswith(sentence)
    assert result.stderr.endswith("and at most 1.0e-06 is allowed\n")


def test_verify_detects_modified_weights_without_a_checksum(exported: Exported, tmp_path: Path) -> None:
    model = onnx.load(exported("onnx"))
    (weight,) = (tensor for tensor in model.graph.initializer if tensor.name == "conv2_1.weight")
    values = onnx.numpy_helper.to_array(weight).copy()
    values[0] += 0.01
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, tmp_path / "e.onnx")
    result = run("verify", tmp_path / "e.onnx")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Warning: {tmp_path / 'e.onnx'} was changed by another program since the export")
    assert "differs too much from PyTorch: the relative L2 error of the features" in result.stderr


def test_verify_runs_the_onnx_checker(exported: Exported, tmp_path: Path) -> None:
    model = onnx.load(exported("onnx"))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 7  # ONNX Runtime only logs a warning
    onnx.save(model, tmp_path / "e.onnx")
    result = run("verify", tmp_path / "e.onnx")
    warning, error = result.stderr.splitlines()
    assert result.exit_code == 1
    assert warning.startswith("Warning: ")
    assert error.startswith(f"Error: {tmp_path / 'e.onnx'} is not a valid ONNX model (")


def test_inspect_prints_the_manifest(exported: Exported) -> None:
    result = run("inspect", exported("onnx"))
    assert result.exit_code == 0
    for text in ("relu1_1, relu2_1, relu3_1", "source: oxford", "RGB in [0, 1]", "opset", "relative_l2: "):
        assert text in result.stdout


def test_inspect_says_whether_another_program_has_changed_the_file(exported: Exported, tmp_path: Path) -> None:
    assert "unchanged since the export" in run("inspect", exported("onnx")).stdout
    model = onnx.load(exported("onnx"))
    model.graph.initializer[0].raw_data = bytes(len(model.graph.initializer[0].raw_data))
    onnx.save(model, tmp_path / "e.onnx")
    result = run("inspect", tmp_path / "e.onnx")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "changed by another program since the export: the manifest describes the exported file" in result.stdout


def test_formats_lists_every_option_of_the_export_commands() -> None:
    table = " ".join(run("formats").stdout.split())
    helps = {kind: run(kind, "--help").stdout for kind in {spec.kind for spec in FORMATS}}
    for spec in FORMATS:
        assert spec.suffix in table
        for option in spec.options:
            assert option in helps[spec.kind]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--opset", "17"], "--opset is 17: expected a whole number from 18 to "),
        (["--size", "15x64"], "--size is 15x64: expected a height and a width from 16 to 65536 pixels"),
        (["--size", "large"], "--size is 'large': expected HEIGHTxWIDTH, such as 480x640"),
        (["--batch", "many"], "--batch is 'many': expected 'dynamic' or a whole number from 1 to 65536"),
        (["--outputs", "tuple"], "--outputs does not apply to the extractor in the format onnx: remove it, or use"),
        (["--precision", "int8", "--palette"], "--palette is given with --precision int8, whose weights are bytes"),
        (["--format", "pt2", "--precision", "int8"], "--precision is int8, and the extractor in the format pt2 exists"),
        (
            ["--format", "torchscript", "--palette"],
            "--palette does not apply to the extractor in the format torchscript",
        ),
    ],
)
def test_export_options_out_of_range_are_refused(options: list[str], sentence: str, tmp_path: Path) -> None:
    assert refused("extractor", "-o", tmp_path / "e.onnx", *options).startswith(sentence)
    assert list(tmp_path.iterdir()) == []


def test_palette_needs_few_distinct_values(tmp_path: Path, tiny_vgg: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.formats.palette.MIN_TENSOR_SIZE", 1000)
    sentence = refused("extractor", "-o", tmp_path / "e.onnx", "--palette", "--taps", "relu3_2")
    assert sentence.startswith("--palette needs weights with at most 256 distinct values per kernel, and these have")
    assert list(tmp_path.iterdir()) == []


def test_objective_of_a_fixed_size(tmp_path: Path, tiny_vgg: None) -> None:
    path, layers = tmp_path / "o.onnx", ("--content-layers", "relu2_1", "--style-layers", "relu1_1,pool5")
    sentence = refused("objective", "-o", path, *layers, "--size", "20x48")
    assert sentence == "the height is 20 pixels: these layers need at least 32"
    layers = ("--content-layers", "relu2_1", "--style-layers", "relu1_1,relu2_1")
    assert run("objective", "-o", path, *layers, "--size", "20x33", "--opset", "21", "--no-palette").exit_code == 0
    manifest, model = read_manifest(path), onnx.load(path)
    assert (manifest.size, manifest.batch, manifest.opset, manifest.palette) == ((20, 33), 1, 21, False)
    assert manifest.inputs["content/relu2_1"].startswith("float32 (1, 8, 10, 16), ")
    assert not any(side.dim_param for value in model.graph.input for side in value.type.tensor_type.shape.dim)
    assert not model.graph.value_info


def test_inspect_prints_json(exported: Exported) -> None:
    result = run("inspect", "--json", exported("pt2"))
    expected = {"content": "unchanged", **asdict(read_manifest(exported("pt2")))}
    assert json.loads(result.stdout) == json.loads(json.dumps(expected))


@pytest.mark.parametrize("command", [["--help"], ["extractor", "--help"], ["inspect", "ARTIFACT"]])
def test_help_and_inspect_import_no_torch(command: list[str], exported: Exported) -> None:
    program = (
        "import runpy, sys\n"
        "try: runpy.run_module('export', run_name='__main__', alter_sys=True)\n"
        "except SystemExit: print(sorted({'torch', 'onnx', 'onnxruntime'} & sys.modules.keys()))"
    )
    arguments = [str(exported("onnx")) if word == "ARTIFACT" else word for word in command]
    ran = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    imported = "['onnxruntime']" if "ARTIFACT" in command else "[]"
    assert ran.stdout.splitlines()[-1] == imported


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_commands_refuse_a_bad_artifact(command: str, exported: Exported, tmp_path: Path) -> None:
    path = tmp_path / "e.onnx"
    assert refused(command, path) == f"there is no artifact '{path}': write one with python -m export"
    path.write_bytes(exported("onnx").read_bytes()[:100_000])
    assert refused(command, path) == (
        f"{path} cannot be loaded by onnxruntime {onnxruntime.__version__}: it is damaged or not an ONNX model; "
        "export it again"
    )
    shutil.copy(f"{exported('onnx')}.sha256", f"{path}.sha256")
    assert refused(command, path) == (
        f"{path} does not match its checksum in e.onnx.sha256: it was changed or is incomplete; export it again"
    )


def test_verify_compares_openvino(exported: Exported, tmp_path_factory: pytest.TempPathFactory) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    for artifact in (exported("onnx"), exported_objective(tmp_path_factory)):
        tables = [run("verify", artifact, *options) for options in ((), ("--runtime", "openvino"))]
        assert [table.exit_code for table in tables] == [0, 0]
        assert tables[0].stdout != tables[1].stdout  # computed by another program


def test_verify_refuses_a_runtime_that_cannot_run_the_artifact(exported: Exported) -> None:
    assert refused("verify", exported("torchscript"), "--runtime", "openvino") == (
        f"{exported('torchscript')} is a torchscript file, which PyTorch runs: remove --runtime and --precision"
    )
    assert refused("verify", exported("onnx"), "--precision", "bf16") == (
        "--precision is bf16, but onnxruntime computes in fp32: remove --precision, or add --runtime openvino"
    )


def test_app_is_the_entry_point_of_a_console_script() -> None:
    program = "import sys; from export.__main__ import app; sys.argv = ['style-transfer-export', '--help']; app()"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    commands = ("extractor", "objective", "painter", "run", "verify", "inspect", "formats", "web", "triton", "serve")
    for command in commands:
        assert f" {command} " in ran.stdout


@pytest.mark.parametrize("command", ["objective", "painter"])
def test_help_lists_only_style_losses_that_can_be_exported(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    text = run(command, "--help").stdout
    exported = exported_style_losses(command)
    for spec in STYLE_LOSSES.values():
        assert (f"'{spec.name}' ({spec.help})" in text) == (spec.name in exported)
    assert "sliced-wasserstein" not in text
    assert ("(560 / C)^5 for gram; 500 / stride^2 for moments (C channels)." in text) == (command == "painter")


@pytest.mark.parametrize("name", ["wasserstein", "mean"])
@pytest.mark.parametrize(
    ("command", "use"), [("objective", "gram, moments or nearest"), ("painter", "gram or moments")]
)
def test_other_style_losses_are_refused_before_the_weights_are_loaded(
    command: str, use: str, name: str, tmp_path: Path
) -> None:
    options = ("--style-loss", name, "--weights", "torchvision")
    message = refused(command, "-o", tmp_path / "exported.onnx", *options)
    assert message.endswith(f"{command} with the style loss {name} cannot be exported: use {use}")


def test_objective_needs_an_onnx_file(tmp_path: Path) -> None:
    path = tmp_path / "objective.pt"
    assert refused("objective", "-o", path) == (
        f"an objective is an ONNX file, and {path} has another suffix: use .onnx"
    )
