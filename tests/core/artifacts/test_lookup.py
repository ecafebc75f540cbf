"""Where the artifacts of a run without PyTorch come from, and what options they determine."""

import sys
from pathlib import Path

import pytest

from core.artifacts import lookup
from core.artifacts.lookup import artifact_options, artifacts_folder, find_artifacts, with_artifacts
from core.artifacts.manifest import read_manifest
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from support.objectives import CONTENT_TAPS, STYLE_TAPS


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the environment names, with two files that are no artifacts."""
    monkeypatch.setenv("STYLE_TRANSFER_ARTIFACTS", str(tmp_path))
    for name in ("objective", "extractor"):
        (tmp_path / f"{name}.onnx").touch()
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other folders")
def test_the_default_folder_is_among_the_data_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLE_TRANSFER_ARTIFACTS", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert artifacts_folder() == tmp_path / "style-transfer-toolkit"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert artifacts_folder() == tmp_path / ".local" / "share" / "style-transfer-toolkit"


def test_artifacts_without_an_option_are_in_the_folder(folder: Path) -> None:
    in_folder = {name: str(folder / f"{name}.onnx") for name in ("objective", "extractor")}
    assert find_artifacts({}) == in_folder
    assert find_artifacts({"objective": None, "extractor": "e.onnx"}) == in_folder | {"extractor": "e.onnx"}


def test_a_missing_artifact_is_named_with_the_way_to_get_it(folder: Path) -> None:
    (folder / "extractor.onnx").unlink()
    with pytest.raises(StyleTransferError) as caught:
        find_artifacts({})
    assert str(caught.value) == (
        f"PyTorch is not installed, and the folder {folder} contains no extractor.onnx: run python -m export extractor "
        "-o extractor.onnx in an environment with PyTorch (pip install '.[full]'), and copy the result to this folder, "
        "or to another that $STYLE_TRANSFER_ARTIFACTS names"
    )
    (folder / "objective.onnx").unlink()
    with pytest.raises(StyleTransferError, match=r"contains no painter\.onnx: run python -m export painter -o"):
        find_artifacts({})


def test_a_painter_suffices(folder: Path) -> None:
    (folder / "painter.onnx").touch()
    assert [*find_artifacts({})] == ["objective", "extractor"]
    (folder / "extractor.onnx").unlink()
    assert find_artifacts({}) == {"painter": str(folder / "painter.onnx")}
    assert find_artifacts({"painter": "other.onnx"}) == {"painter": "other.onnx"}
    with pytest.raises(StyleTransferError, match=r"contains no extractor\.onnx"):
        find_artifacts({"objective": "o.onnx"})


def test_the_first_complete_set_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a set that consists of one artifact of another kind."""
    monkeypatch.setattr(lookup, "ARTIFACT_SETS", (("other",), *lookup.ARTIFACT_SETS))
    assert [*find_artifacts({})] == ["objective", "extractor"]
    (folder / "other.onnx").touch()
    assert find_artifacts({}) == {"other": str(folder / "other.onnx")}
    assert [*find_artifacts({"extractor": "e.onnx"})] == ["objective", "extractor"]


def test_the_artifacts_determine_the_network(light_folder: Path) -> None:
    found = TransferConfig.from_options(artifact_options({}))
    manifest = read_manifest(light_folder / "objective.onnx")
    assert found == TransferConfig(
        objective=str(light_folder / "objective.onnx"),
        extractor=str(light_folder / "extractor.onnx"),
        content_layers=CONTENT_TAPS,
        style_layers=STYLE_TAPS,
        weights_preprocessing=manifest.preprocessing,
    )


def test_a_file_that_is_no_objective_is_refused(light_folder: Path) -> None:
    with pytest.raises(UsageError, match="holds an extractor, where an objective was expected"):
        artifact_options({"objective": str(light_folder / "extractor.onnx")})


def test_a_configuration_gets_artifacts_only_without_torch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = TransferConfig(image_size=64)
    assert with_artifacts(config) is config
    monkeypatch.setitem(sys.modules, "torch", None)
    assert with_artifacts(config) == config.with_options(
        objective=str(folder / "objective.onnx"), extractor=str(folder / "extractor.onnx")
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(StyleTransferError, match="neither PyTorch nor ONNX Runtime is installed"):
        with_artifacts(config)
