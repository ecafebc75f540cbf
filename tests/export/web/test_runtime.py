"""The files of ONNX Runtime Web."""

from pathlib import Path

import pytest

from core.errors import StyleTransferError, UsageError
from export.web.runtime import FILES, copy_runtime


@pytest.mark.parametrize("subfolder", ["", "dist"])
def test_copy_runtime_accepts_a_package_and_its_folder_dist(runtime_stub: Path, tmp_path: Path, subfolder: str) -> None:
    package, page = tmp_path / "package", tmp_path / "page"
    (package / subfolder).mkdir(parents=True)
    page.mkdir()
    for name in (*FILES, "other.mjs"):
        (package / subfolder / name).write_text(name)
    copy_runtime(page, package)
    assert {path.name: path.read_text() for path in (page / "ort").iterdir()} == {name: name for name in FILES}


def test_copy_runtime_names_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    with pytest.raises(UsageError) as error:
        copy_runtime(tmp_path, tmp_path / "package")
    assert str(error.value) == (
        f"{tmp_path / 'package'} does not contain ort.wasm.min.mjs: expected the unpacked npm package "
        "onnxruntime-web@1.30.0"
    )


def test_copy_runtime_without_npm_names_the_alternative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StyleTransferError, match=r"npm is not installed, .* use --onnxruntime-web DIR"):
        copy_runtime(tmp_path, None)


@pytest.mark.parametrize("script", ["exit 1", "exit 0"])
def test_copy_runtime_reports_a_failure_of_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Including a success of npm that wrote no archive."""
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StyleTransferError, match=r"npm could not download onnxruntime-web@1\.30\.0: check the network"):
        copy_runtime(tmp_path, None)
