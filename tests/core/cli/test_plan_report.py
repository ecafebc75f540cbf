"""Dry runs: what they print, and that they write nothing."""

import re
from pathlib import Path

import pytest
from PIL import Image

from support.core_commands import files_in, transfer


def table_text(printed: str) -> str:
    """The text of a printed table, without borders and line breaks."""
    return " ".join(printed.replace("│", " ").split())


def test_dry_run_prints_every_scale_and_writes_nothing(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    output = tmp_path / "deep" / "o.png"
    ran = transfer("-c", content_path, "-s", style_path, "-o", output, "--scales", 2, "--device", "cpu", "--dry-run")
    assert ran.exit_code == 0, ran.output
    assert "vgg19 (oxford), lbfgs, initial image: matched, device: cpu" in ran.stdout
    assert "96 × 64" in ran.stdout
    assert "48 × 32" in ran.stdout
    assert "GiB" in ran.stdout
    assert "untiled" in ran.stdout
    assert f"output: {output} (not written: this is a dry run)" in ran.stdout
    assert files_in(tmp_path) == []


def test_dry_run_plans_256_megapixels_in_tiles(
    style_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    huge, limit = tmp_path / "huge.png", Image.MAX_IMAGE_PIXELS
    Image.new("1", (16384, 16384)).save(huge)
    options = ("--image-size", 16384, "--max-memory", "64GB", "--device", "cpu", "--precision", "fp32", "--dry-run")
    options += ("--content-layers", "relu4_2")
    ran = transfer("-c", huge, "-s", style_path, "-o", tmp_path / "o.png", *options)
    assert ran.exit_code == 0, ran.output
    assert re.search(r"│ 16384 × 16384 .*│ about 5\d\.\d GiB +│ \d+ × \d+ tiles of .*, history 1 ", ran.stdout)
    assert "would fail" not in ran.stdout
    assert limit == Image.MAX_IMAGE_PIXELS


def test_dry_run_prints_the_work_of_tiles(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    """Each of two tiles of 48 x 64 px reads the whole image and caches its activations: twice the work."""
    options = ("--scales", 1, "--padding", 0, "--tile-size", 64, "--max-memory", "8GB", "--device", "cpu", "--dry-run")
    ran = transfer("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", *options)
    assert ran.exit_code == 0, ran.output
    assert "2 × 1 tiles of 48 × 64 px, 2 times the work" in table_text(ran.stdout)


def test_dry_run_fails_for_lack_of_memory(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    options = ("--max-memory", "10MB", "--device", "cpu", "--dry-run")
    ran = transfer("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", *options)
    assert ran.exit_code == 1, ran.output
    assert ran.stderr.startswith("Error: this run would fail: 128x96 px with padding needs")
    assert "not written: this is a dry run" in ran.stdout
