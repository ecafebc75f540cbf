"""Styles, regions and colours on the command line, in files and in records."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from core.cli.config_file import read_options
from core.styles import Style
from core.transfer import app
from support.images import pixels_of

QUICK = ("--image-size", "48", "--iterations", "3", "--quiet")


def paint(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in (*arguments, *QUICK)])


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    values = np.zeros((30, 30), np.uint8)
    values[:, :15] = 255
    Image.fromarray(values).save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    Image.radial_gradient("L").convert("RGB").resize((60, 50)).save(tmp_path / "other.png")
    return tmp_path / "other.png"


def test_styles_with_weights_and_a_region_come_back_from_the_record(
    content_path: Path, style_path: Path, other: Path, mask: Path, tmp_path: Path
) -> None:
    output, again = tmp_path / "painting.png", tmp_path / "again.png"
    styles = ("--style", f"{style_path}:0.7", "--style", f"{other}@5,5,40,30:0.3", "--region", f"{mask}={other}")
    wishes = ("--strength", "0.4", "--style-scale", "1.5", "--preserve-color", "match")
    named = paint("--content", content_path, *styles[:4], "--region", f"{mask}=2", *wishes, "-o", output)
    assert named.exit_code == 0, named.stderr
    options = read_options(output)
    assert options["style"] == (
        Style((str(style_path),), 0.7),
        Style((str(other),), 0.3, str(mask), (5, 5, 40, 30)),
    )
    assert (options["strength"], options["style_scale"], options["preserve_color"]) == (0.4, 1.5, "match")
    assert paint("--config", output, "-o", again).exit_code == 0
    np.testing.assert_array_equal(pixels_of(again), pixels_of(output))


def test_a_region_alone_names_its_style(content_path: Path, style_path: Path, mask: Path, tmp_path: Path) -> None:
    output = tmp_path / "painting.png"
    assert paint("-c", content_path, "--region", f"{mask}={style_path}", "-o", output).exit_code == 0
    with Image.open(content_path) as photograph:
        expected = np.asarray(photograph.convert("RGB").resize((48, 32), Image.Resampling.LANCZOS), float)
    difference = np.abs(pixels_of(output)[..., :3] - expected)
    assert difference[:, 30:].max() <= 1
    assert difference[:, :20].mean() > 5


def test_a_file_may_name_several_styles(
    content_path: Path, style_path: Path, other: Path, mask: Path, tmp_path: Path
) -> None:
    (tmp_path / "run.toml").write_text(
        f'content = "{content_path}"\nstyle = ["{style_path}:2", "{other}"]\nregion = "{mask}={other}"\n'
    )
    assert read_options(tmp_path / "run.toml")["style"] == (
        Style((str(style_path),), 2.0),
        Style((str(other),), 1.0, str(mask)),
    )
    assert paint("--config", tmp_path / "run.toml", "-o", tmp_path / "painting.png").exit_code == 0


def test_a_folder_is_one_style(content_path: Path, style_path: Path, other: Path, tmp_path: Path) -> None:
    (tmp_path / "styles").mkdir()
    for picture in (style_path, other):
        (tmp_path / "styles" / picture.name).write_bytes(picture.read_bytes())
    assert paint("-c", content_path, "-s", tmp_path / "styles", "-o", tmp_path / "painting.png").exit_code == 0
    (style,) = read_options(tmp_path / "painting.png")["style"]
    assert len(style.images) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-s", "STYLE:-1"), "does not exist"),
        (("-s", "STYLE:0"), "the weight of a style is 0: expected a positive number"),
        (("-s", "STYLE@0,0,999,10"), "the crop 0,0,999,10 exceeds the style image of 72x80"),
        (("-s", "STYLE", "--region", "MASK"), "expected MASK=STYLE"),
        (("-s", "STYLE", "--region", "nowhere.png=STYLE"), "region mask nowhere.png does not exist"),
        (("-s", "STYLE", "--strength", "2"), "--strength is 2: expected a number from 0 to 1"),
        (("-s", "STYLE", "--preserve-color", "hue"), "expected one of none, luminance, match"),
        ((), "no style picture was named: add --style FILE"),
    ],
)
def test_what_cannot_work_is_one_sentence(
    arguments: tuple[str, ...], sentence: str, content_path: Path, style_path: Path, mask: Path, tmp_path: Path
) -> None:
    output = tmp_path / "painting.png"
    given = [text.replace("STYLE", str(style_path)).replace("MASK", str(mask)) for text in arguments]
    if "expected MASK=STYLE" in sentence:
        given[-1] = str(mask)
    ran = paint("-c", content_path, *given, "-o", output)
    assert ran.exit_code == 2
    assert sentence in ran.stderr
    assert ran.stderr.startswith("Error: ")
    assert ran.stderr.count("\n") == 1
    assert not output.exists()
