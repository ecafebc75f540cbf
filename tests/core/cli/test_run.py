"""Runs from files to files, on a tiny network: styles and regions, outputs, and inputs that are refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from core.cli.config_file import read_options
from core.cli.run import open_video, resolve_paths
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.styles import Style
from support.core_commands import files_in, transfer
from support.images import pixels_of

pytestmark = pytest.mark.usefixtures("tiny_vgg")

CONFIG = TransferConfig(image_size=48)


def run(*arguments: object) -> Result:
    return transfer(*arguments, "--image-size", 48, "--iterations", 3)


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """A mask that is white in its left half."""
    values = np.zeros((30, 30), np.uint8)
    values[:, :15] = 255
    Image.fromarray(values).save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


@pytest.fixture
def gradient(tmp_path: Path) -> Path:
    """A second style image, 60 x 50."""
    Image.radial_gradient("L").convert("RGB").resize((60, 50)).save(tmp_path / "gradient.png")
    return tmp_path / "gradient.png"


def test_run_is_repeated_from_the_record_in_its_output(
    content_path: Path, style_path: Path, gradient: Path, mask: Path, tmp_path: Path
) -> None:
    output, again = tmp_path / "output.png", tmp_path / "again.png"
    styles = ("--style", f"{style_path}:0.7", "--style", f"{gradient}@5,5,40,30:0.3", "--region", f"{mask}=2")
    options = ("--strength", "0.4", "--style-scale", "1.5", "--preserve-color", "match")
    first = run("--content", content_path, *styles, *options, "-o", output)
    assert first.exit_code == 0, first.stderr
    recorded = read_options(output)
    assert recorded["style"] == (
        Style((str(style_path),), 0.7),
        Style((str(gradient),), 0.3, str(mask), (5, 5, 40, 30)),
    )
    assert (recorded["strength"], recorded["style_scale"], recorded["preserve_color"]) == (0.4, 1.5, "match")
    assert run("--config", output, "-o", again).exit_code == 0
    np.testing.assert_array_equal(pixels_of(again), pixels_of(output))


def test_region_changes_only_the_masked_area(content_path: Path, style_path: Path, mask: Path, tmp_path: Path) -> None:
    output = tmp_path / "output.png"
    ran = run("-c", content_path, "--region", f"{mask}={style_path}", "-o", output)
    assert ran.exit_code == 0, ran.output
    with Image.open(content_path) as content:
        expected = np.asarray(content.convert("RGB").resize((48, 32), Image.Resampling.LANCZOS), float)
    difference = np.abs(pixels_of(output)[..., :3] - expected)
    assert difference[:, 30:].max() <= 1
    assert difference[:, :20].mean() > 5


def test_run_takes_styles_and_a_region_from_a_file(
    content_path: Path, style_path: Path, gradient: Path, mask: Path, tmp_path: Path
) -> None:
    (tmp_path / "run.toml").write_text(
        f'content = "{content_path}"\nstyle = ["{style_path}:2", "{gradient}"]\nregion = "{mask}={gradient}"\n'
    )
    assert run("--config", tmp_path / "run.toml", "-o", tmp_path / "output.png").exit_code == 0
    assert read_options(tmp_path / "output.png")["style"] == (
        Style((str(style_path),), 2.0),
        Style((str(gradient),), 1.0, str(mask)),
    )


def test_directory_of_images_is_one_style(content_path: Path, style_path: Path, gradient: Path, tmp_path: Path) -> None:
    (tmp_path / "styles").mkdir()
    for image in (style_path, gradient):
        (tmp_path / "styles" / image.name).write_bytes(image.read_bytes())
    assert run("-c", content_path, "-s", tmp_path / "styles", "-o", tmp_path / "output.png").exit_code == 0
    (style,) = read_options(tmp_path / "output.png")["style"]
    assert len(style.images) == 2


def test_run_writes_snapshots(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    ran = transfer(
        *("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", "--save-every", 2),
        *("--image-size", 48, "--iterations", 4),
    )
    assert ran.exit_code == 0, ran.output
    assert files_in(tmp_path) == ["o-0002.png", "o-0004.png", "o.png"]
    assert pixels_of(tmp_path / "o-0002.png").shape == (32, 48, 3)


@pytest.mark.parametrize(
    "option", [("--save-every", 2), ("--record", "x" * 252 + ".json"), ("--video", "é" * 126 + ".webp")]
)
def test_names_that_are_too_long_are_refused_before_the_run(
    option: tuple, content_path: Path, style_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run("-c", content_path, "-s", style_path, "-o", "x" * 250 + ".png", *option)
    assert ran.exit_code == 2
    assert ran.stderr.endswith(": File name too long; choose a shorter name\n")
    assert files_in(tmp_path) == []


def test_run_prints_a_summary_unless_quiet(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    images = ("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png")
    ran = run(*images)
    assert ran.stdout.startswith(f"{tmp_path / 'o.png'}: 3 evaluations in ")
    assert ", final loss " in ran.stdout
    ran = run(*images, "--quiet")
    assert (ran.exit_code, ran.output) == (0, "")


def test_resolve_paths_prefers_flags_to_the_file(
    content_path: Path, style_path: Path, gradient: Path, tmp_path: Path
) -> None:
    in_file = {"content": str(gradient), "style": (Style((str(gradient),)),), "output": str(tmp_path / "file.png")}
    flags = resolve_paths(content_path, [f"{style_path}:2"], None, tmp_path / "flag.png", in_file, CONFIG)
    assert (flags.content, flags.output) == (content_path, tmp_path / "flag.png")
    assert flags.styles == (Style((str(style_path),), 2.0),)
    file = resolve_paths(None, None, None, None, in_file, CONFIG)
    assert (file.content, file.styles, file.output) == (gradient, in_file["style"], tmp_path / "file.png")


def test_resolve_paths_names_the_output_after_the_images(
    content_path: Path, style_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = resolve_paths(content_path, [str(style_path)], None, None, {}, CONFIG)
    assert paths.output == Path(f"{content_path.stem}-{style_path.stem}.png")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("overwritten", ["content", "style", "mask", "output", "record", "checkpoint"])
def test_files_of_a_run_do_not_overwrite_each_other(
    overwritten: str, content_path: Path, style_path: Path, mask: Path, tmp_path: Path
) -> None:
    style, output, record, checkpoint = str(style_path), tmp_path / "o.png", tmp_path / "o.json", tmp_path / "o.ckpt"
    files = {"content": content_path, "style": style_path, "mask": mask, "output": output}
    paths = resolve_paths(
        content_path, [style], [f"{mask}=1"], output, {}, CONFIG, record=record, checkpoint=checkpoint
    )
    file = (files | {"record": record, "checkpoint": checkpoint})[overwritten]
    with pytest.raises(UsageError, match="refusing to overwrite"):
        open_video(file, paths, CONFIG, 12)
    if overwritten in files:
        with pytest.raises(UsageError, match="refusing to overwrite"):
            resolve_paths(content_path, [style], [f"{mask}=1"], output, {}, CONFIG, record=file)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("-s STYLE:-1", "does not exist"),
        ("-s STYLE:0", "the weight of a style is 0: expected a positive number"),
        ("-s STYLE@0,0,999,10", "999"),
        ("-s STYLE --region MASK", "expected MASK=STYLE"),
        ("-s STYLE --region nowhere.png=STYLE", "nowhere.png does not exist"),
        ("-s STYLE --strength 2", "--strength is 2: expected a number from 0 to 1"),
        ("-s STYLE --preserve-color hue", "expected one of none, luminance, match"),
        ("", "no style image is given: add --style FILE"),
    ],
)
def test_invalid_style_is_refused_in_one_sentence(
    arguments: str, sentence: str, content_path: Path, style_path: Path, mask: Path, tmp_path: Path
) -> None:
    output = tmp_path / "output.png"
    for name, path in ([] if sentence == "expected MASK=STYLE" else [("MASK", mask)]) + [("STYLE", style_path)]:
        arguments = arguments.replace(name, str(path))
    ran = run("-c", content_path, *arguments.split(), "-o", output)
    assert ran.exit_code == 2
    assert sentence in ran.stderr
    assert ran.stderr.startswith("Error: ")
    assert ran.stderr.count("\n") == 1
    assert not output.exists()
