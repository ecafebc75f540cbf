"""Check that the commands of docs/gallery.md are valid, its strips exist, and the scripts that make them work."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image
from typer.testing import CliRunner

from core.transfer import app

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "examples" / "gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_gallery_commands_are_valid(gallery: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    commands = [command for section in gallery.sections().values() for command in section]
    assert len(commands) > 15
    for command in commands:
        ran = CliRunner().invoke(app, [*command[2:], "--dry-run"])
        assert ran.exit_code == 0, ran.stderr


def test_gallery_shows_the_strip_of_every_section(gallery: ModuleType) -> None:
    shown = re.findall(r"!\[.+\]\(gallery/(.+)\.jpg\)", gallery.PAGE.read_text())
    assert shown == [gallery.slug(title) for title in gallery.sections()]
    for name, commands in zip(shown, gallery.sections().values(), strict=True):
        with Image.open(gallery.STRIPS / f"{name}.jpg") as strip:
            assert strip.height == gallery.HEIGHT
            assert strip.width > len(commands) * gallery.HEIGHT / 2


def test_draw_strip_places_images_side_by_side(gallery: ModuleType, tmp_path: Path) -> None:
    for name, color in (("a", (255, 0, 0)), ("b", (0, 0, 255))):
        Image.new("RGB", (70, 140), color).save(tmp_path / f"{name}.png")
    gallery.draw_strip([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "strips" / "ab.jpg")
    with Image.open(tmp_path / "strips" / "ab.jpg") as strip:
        assert strip.size == (2 * 140 + gallery.GAP, gallery.HEIGHT)
        left, right = strip.getpixel((60, 100)), strip.getpixel((220, 100))
    assert left[0] > 200 > left[2]
    assert right[2] > 200 > right[0]


@pytest.mark.slow
def test_measure_losses_of_the_content_and_the_style_image() -> None:
    content, style = ROOT / "examples" / "content" / "cat.jpg", ROOT / "examples" / "style" / "night.jpg"
    ran = subprocess.run(
        [sys.executable, ROOT / "examples" / "measure_losses.py", content, style, content, style],
        capture_output=True,
        text=True,
        check=True,
    )
    of_content, of_style = (
        [float(number) for number in re.findall(r"(-?[\d.]+)%", line)] for line in ran.stdout.splitlines()
    )
    assert of_content == [0, 0]
    assert of_style[0] > 95
    assert of_style[1] == 100
