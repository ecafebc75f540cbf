"""A disk that is full from any moment on: the result is delivered elsewhere, with one sentence, and no half is left."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.image.embedded_record import read_record
from support.core_commands import files_in
from support.forked_runs import Ended, ForkedRuns, forked_runs
from support.images import pixels_of

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs Linux")

SMALL = ("--image-size", 48, "--scales", 1, "--iterations", 6, "--device", "cpu", "--precision", "fp32")
CHECKPOINT = ("--checkpoint-every", 0, "--save-every", 3)


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The temporary folder of the runs, on another disk."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def forks(temporary: Path) -> Iterator[ForkedRuns]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        with forked_runs() as runs:
            yield runs


def errors_of(ended: Ended) -> list[str]:
    return [line for line in ended.stderr.splitlines() if line.startswith("Error: ")]


def run(forks: ForkedRuns, folder: Path, *arguments: object, **fault: int) -> Ended:
    folder.mkdir()
    files = ("-o", folder / "o.png", "--record", folder / "o.json", "--video", folder / "o.webp")
    return forks.run(folder, *arguments, *files, "--checkpoint", folder / "o.ckpt", *CHECKPOINT, *SMALL, **fault)


def test_a_disk_that_is_full_from_any_operation_on(
    forks: ForkedRuns, temporary: Path, content_path: Path, style_path: Path, tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    images = ("-c", content_path, "-s", style_path)
    whole = run(forks, tmp_path / "whole", *images)
    assert whole.status == 0, whole.stderr
    expected = pixels_of(tmp_path / "whole" / "o.png")
    step = 1 if request.config.getoption("--long") else 11
    copies = 0
    for moment in range(1, whole.operations + 1, step):
        folder = tmp_path / f"{moment}"
        ended = run(forks, folder, *images, full=moment)
        assert "Traceback" not in ended.stderr
        assert not [name for name in files_in(folder) if name.startswith(".")]
        assert len(errors_of(ended)) == (ended.status != 0), ended.stderr
        if ended.status == 2:  # the check before the run has found it
            assert files_in(folder) == []
            continue
        written = folder / "o.png"
        if not written.exists():
            assert ended.status == 1
            (written,) = temporary.iterdir()
            assert str(written) in errors_of(ended)[0]
            copies += 1
        np.testing.assert_array_equal(pixels_of(written), expected)
        assert not json.loads(read_record(written) or "")["stopped"]
        for left in temporary.iterdir():
            left.unlink()
    assert copies > 0


@pytest.mark.parametrize("largest", [2500, 12_000, 10**6])
def test_files_that_may_not_grow(
    largest: int, forks: ForkedRuns, temporary: Path, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    """Every write beyond the limit fails, as on a full disk, also that of the copy in the temporary folder."""
    folder = tmp_path / "out"
    ended = run(forks, folder, "-c", content_path, "-s", style_path, largest_file=largest)
    assert "Traceback" not in ended.stderr
    assert all(path.stat().st_size <= largest for path in folder.iterdir())
    assert not [name for name in files_in(folder) if name.startswith(".")]
    assert files_in(temporary) == []
    if (folder / "o.png").exists():
        assert pixels_of(folder / "o.png").shape == (32, 48, 3)
    else:
        assert ended.status == 1
        assert "the image was lost" in errors_of(ended)[0]
    assert len(errors_of(ended)) == ended.status
