"""Files that are only written if they pass verification."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.artifacts.content import content_state
from core.artifacts.manifest import Manifest, checksum_path, read_manifest
from core.errors import StyleTransferError
from core.files import sha256_of
from export.verify.parity import Comparison, ParityReport
from export.verify.writing import write_verified
from support.manifests import MANIFEST as ONNX_MANIFEST

MANIFEST = replace(ONNX_MANIFEST, format="pt2")


def report(error: float) -> ParityReport:
    exact = np.array([3.0, 4.0])
    return ParityReport((Comparison.of("features", "relu1_1", exact * (1 + error), exact, exact, limit=1e-3),))


def write(manifest: Manifest, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("extractor/program", "a program")
        archive.writestr("extractor/extra/manifest.json", manifest.to_json())


def test_write_verified_writes_the_measured_errors(tmp_path: Path) -> None:
    path = tmp_path / "e.pt2"
    manifest = write_verified(path, MANIFEST, write, lambda written: report(1e-4))
    assert manifest.parity["features"]["relative_l2"] == pytest.approx(1e-4)
    assert read_manifest(path) == manifest
    assert content_state(path, manifest) == "unchanged"
    assert checksum_path(path).read_text() == f"{sha256_of(path)}  e.pt2\n"


def test_write_verified_changes_no_file_if_verification_fails(tmp_path: Path) -> None:
    path = tmp_path / "e.pt2"
    path.write_text("the previous one")
    checksum_path(path).write_text("its checksum")
    with pytest.raises(StyleTransferError, match=r"e\.pt2 differs too much from PyTorch"):
        write_verified(path, MANIFEST, write, lambda written: report(1e-2))
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        "e.pt2": "the previous one",
        "e.pt2.sha256": "its checksum",
    }


def test_write_verified_removes_the_checksum_file_of_a_previous_artifact(tmp_path: Path) -> None:
    path = tmp_path / "e.pt2"
    write_verified(path, MANIFEST, write, lambda written: report(0))
    assert checksum_path(path).exists()
    write_verified(path, MANIFEST, write, lambda written: report(0), checksum=False)
    assert not checksum_path(path).exists()
