"""A run that is killed leaves only complete files, and resumes to the result of an uninterrupted one, bit for bit."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from core.cli.config_file import read_options
from core.image.embedded_record import read_record
from support.core_commands import files_in, transfer
from support.forked_runs import ForkedRuns, forked_runs
from support.images import pixels_of

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs Linux"),
    pytest.mark.usefixtures("tiny_vgg"),
]

OPTIMIZERS = {"lbfgs": ("--optimizer", "lbfgs", "--history", 5), "adam": ("--optimizer", "adam", "--averaging", 0.9)}


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkedRuns]:
    with forked_runs() as runs:
        yield runs


def check_complete(folder: Path) -> None:
    """Check that every file is complete; hidden folders may hold halves."""
    for path in (path for path in folder.iterdir() if not path.name.startswith(".")):
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="numpy") as file:
                assert "state" in file.metadata()
        else:
            with Image.open(path) as image:
                image.load()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_killed_run_resumes_bit_for_bit(
    optimizer: str,
    forks: ForkedRuns,
    content_path: Path,
    style_path: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    def arguments(folder: Path) -> tuple[object, ...]:
        return (
            *("-c", content_path, "-s", style_path, "-o", folder / "o.png", "--record", folder / "o.json"),
            *("--checkpoint", folder / "o.safetensors", "--checkpoint-every", 0, "--video", folder / "o.webp"),
            *("--image-size", 48, "--scales", 2, "--min-scale-size", 16, "--iterations", 12, "--save-every", 3),
            *("--device", "cpu", "--precision", "fp32", *OPTIMIZERS[optimizer]),
        )

    whole = tmp_path / "whole"
    ended = forks.run(whole, *arguments(whole))
    assert ended.status == 0, ended.stderr
    assert ended.operations > 50
    moments = range(1, ended.operations + 1)
    if not request.config.getoption("--long"):
        moments = sorted(Random(optimizer).sample(moments, 6))
    resumed = 0
    for moment in moments:
        folder = tmp_path / f"{moment}"
        killed = forks.run(folder, *arguments(folder), kill=moment)
        assert killed.status == -9, killed.stderr
        if folder.exists():
            check_complete(folder)
        again = transfer(*arguments(folder))
        assert again.exit_code == 0, again.stderr
        resumed += "resuming from" in again.stderr
        assert set(files_in(folder)) == set(files_in(whole))
        for name in (name for name in files_in(whole) if name.endswith(".png")):
            np.testing.assert_array_equal(pixels_of(folder / name), pixels_of(whole / name))
        assert delivered(folder) == delivered(whole)
        assert read_options(folder / "o.png") == read_options(whole / "o.png")
    assert resumed >= len(moments) / 2


def delivered(folder: Path) -> object:
    return json.loads(read_record(folder / "o.png") or "")["delivered"]
