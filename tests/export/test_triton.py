"""Model repositories for Triton: the configuration names the inputs and outputs that ONNX Runtime finds in the file."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from core.artifacts.onnx_session import open_session
from core.config.transfer_config import TransferConfig
from support.export_command import refused, run
from support.objectives import exported_objective
from support.painters import write_painter

Exported = Callable[..., Path]

TYPES = {"TYPE_FP32": "tensor(float)", "TYPE_UINT8": "tensor(uint8)", "TYPE_INT64": "tensor(int64)"}
TENSOR = re.compile(r'^(\w+) \{ name: "(.+?)" data_type: (\w+) dims: \[ (.+?) \] \}$', re.MULTILINE)


@pytest.fixture(scope="module")
def objective(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_objective(tmp_path_factory)


@pytest.fixture
def painter(tmp_path: Path) -> Path:
    path = tmp_path / "painter.onnx"
    write_painter(path, TransferConfig(content_layers="relu1_1", style_layers="relu1_1"))
    return path


def tensors_of(path: Path) -> list[tuple[str, str, str, list[int]]]:
    """Role, name, type and sides of all inputs and outputs, -1 for any length, and [1] for a scalar."""
    session = open_session(path, "cpu", control_flow=True)
    return [
        (role, tensor.name, tensor.type, [side if isinstance(side, int) else -1 for side in tensor.shape] or [1])
        for role, tensors in (("input", session.get_inputs()), ("output", session.get_outputs()))
        for tensor in tensors
    ]


def test_the_repository_has_a_model_of_each_artifact(
    tmp_path: Path, objective: Path, exported: Exported, painter: Path
) -> None:
    repository = tmp_path / "models"
    artifacts = {"objective": objective, "extractor": exported("onnx"), "painter": painter}
    result = run("triton", *artifacts.values(), "-o", repository)
    assert result.exit_code == 0
    assert result.stdout == f"{repository}: a model repository with objective and extractor and painter\n"
    for name, artifact in artifacts.items():
        assert (repository / name / "1" / "model.onnx").read_bytes() == artifact.read_bytes()
        config = (repository / name / "config.pbtxt").read_text()
        assert config.startswith(f'name: "{name}"\nbackend: "onnxruntime"\nmax_batch_size: 0\n')
        found = [
            (role, tensor, TYPES[kind], [int(side) for side in dims.split(", ")])
            for role, tensor, kind, dims in TENSOR.findall(config)
        ]
        assert found == tensors_of(artifact)
        assert len(config.splitlines()) == 3 + len(found)


def test_a_folder_that_exists_is_refused(tmp_path: Path, objective: Path) -> None:
    assert refused("triton", objective, "-o", tmp_path) == f"{tmp_path} exists: choose another folder, or remove it"
    assert not [*tmp_path.iterdir()]


def test_a_folder_inside_a_file_is_refused(tmp_path: Path, objective: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert refused("triton", objective, "-o", file / "models") == (
        f"cannot write {file / 'models'}: {file} is a file, not a folder; choose another folder"
    )


def test_other_formats_and_two_of_a_kind_are_refused(tmp_path: Path, objective: Path, exported: Exported) -> None:
    repository = tmp_path / "models"
    message = refused("triton", objective, exported("torchscript"), "-o", repository)
    assert message.endswith("is a torchscript file, and Triton needs ONNX: export it as .onnx")
    assert "give one artifact of each kind" in refused("triton", objective, objective, "-o", repository)
    assert not [*tmp_path.iterdir()]
