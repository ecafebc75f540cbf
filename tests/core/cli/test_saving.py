"""Results whose output file cannot be written."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.cli.saving import save_result
from core.errors import StyleTransferError
from core.runs.progress import Result
from support.core_commands import files_in
from support.images import pixels_of


@pytest.fixture
def result() -> Result:
    pixels = np.random.default_rng(0).random((1, 3, 6, 5), np.float32)
    return Result(pixels, None, {"config": {"bit_depth": 8, "quality": 95}, "losses": []})


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder of the test."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def save_elsewhere(result: Result, path: Path) -> Path:
    """Return the file that the error names after "written to"."""
    with pytest.raises(StyleTransferError, match=r"; the image was written to .*\.png instead$") as error:
        save_result(result, path)
    return Path(str(error.value).partition("written to ")[2].removesuffix(" instead"))


def test_image_is_written_beside_an_output_that_became_a_folder(result: Result, tmp_path: Path) -> None:
    (tmp_path / "o.jpg").mkdir()
    copy = save_elsewhere(result, tmp_path / "o.jpg")
    np.testing.assert_array_equal(pixels_of(copy), np.asarray(result.image))
    assert files_in(tmp_path) == sorted(["o.jpg", copy.name])


def test_image_is_written_beside_an_output_whose_encoder_fails(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Image.Image.save

    def fail(image: Image.Image, path: Path, format: str, **options: Any) -> None:
        if format == "WEBP":
            raise ValueError("the encoder failed")
        save(image, path, format, **options)

    monkeypatch.setattr(Image.Image, "save", fail)
    copy = save_elsewhere(result, tmp_path / "new" / "o.webp")
    np.testing.assert_array_equal(pixels_of(copy), np.asarray(result.image))
    assert files_in(tmp_path / "new") == [copy.name]


def test_image_is_written_to_the_temporary_folder_if_its_own_became_a_file(
    result: Result, temporary: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").touch()
    copy = save_elsewhere(result, tmp_path / "out" / "o.png")
    assert copy.parent == temporary
    np.testing.assert_array_equal(pixels_of(copy), np.asarray(result.image))


def test_error_says_that_no_folder_is_writable(
    result: Result, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(StyleTransferError, match=r"No space left on device; .*; the image was lost: the temporary"):
        save_result(result, tmp_path / "o.png")
    assert files_in(tmp_path) == ["temporary"]
