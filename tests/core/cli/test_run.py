"""Runs from files to files, on a tiny network: styles and regions, outputs, and inputs that are refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from core.cli.config_file import read_options
from core.cli.run import open_video, resolve_paths
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.image.embedded_record import read_record
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


def test_run_is_repeated_from_its_record(
    content_path: Path, style_path: Path, gradient: Path, mask: Path, tmp_path: Path
) -> None:
    output, again, record = (tmp_path / name for name in ("output.png", "again.png", "record.json"))
    styles = ("--style", f"{style_path}:0.7", "--style", f"{gradient}@5,5,40,30:0.3", "--region", f"{mask}=2")
    styles += ("--style-mask", f"{mask}=1", "--style-mask", f"{gradient}=2")
    options = ("--strength", "0.4", "--style-scale", "1.5", "--preserve-color", "match")
    first = run("--content", content_path, *styles, *options, "-o", output, "--record", record)
    assert first.exit_code == 0, first.stderr
    recorded = read_options(record)
    assert recorded["style"] == (
        Style((str(style_path),), 0.7, mask=str(mask)),
        Style((str(gradient),), 0.3, str(mask), (5, 5, 40, 30), str(gradient)),
    )
    assert (recorded["strength"], recorded["style_scale"], recorded["preserve_color"]) == (0.4, 1.5, "match")
    assert run("--config", record, "-o", again).exit_code == 0
    np.testing.assert_array_equal(pixels_of(again), pixels_of(output))


def test_an_output_names_files_without_folders_and_is_repeated_in_their_folder(
    content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    files = [tmp_path / "someone" / name for name in ("cup.png", "night.jpg", "init.png", "output.png", "again.png")]
    content, style, init, output, again = files
    content.parent.mkdir()
    for target, source in ((content, content_path), (style, style_path), (init, content_path)):
        shutil.copy(source, target)
    assert run("-c", content, "-s", style, "--init", init, "-o", output).exit_code == 0
    assert "someone" not in (read_record(output) or "")
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
        f'style_mask = ["{mask}=1"]\n'
    )
    assert run("--config", tmp_path / "run.toml", "-o", tmp_path / "output.png").exit_code == 0
    assert read_options(tmp_path / "output.png")["style"] == (
        Style((style_path.name,), 2.0, mask=str(mask)),
        Style((str(gradient),), 1.0, str(mask)),
    )


def test_regions_of_a_file_are_assigned_to_the_styles_of_the_command_line(
    content_path: Path, style_path: Path, mask: Path, tmp_path: Path
) -> None:
    (tmp_path / "run.toml").write_text(f'region = "{mask}=1"\nstyle_mask = "{mask}={style_path}"\n')
    ran = run("--config", tmp_path / "run.toml", "-c", content_path, "-s", style_path, "-o", tmp_path / "output.png")
    assert ran.exit_code == 0, ran.output
    (style,) = read_options(tmp_path / "output.png")["style"]
    assert (style.region, style.mask) == (str(mask), str(mask))


def test_styles_that_replace_those_of_a_record_with_a_region_give_a_warning(
    content_path: Path, style_path: Path, mask: Path, tmp_path: Path
) -> None:
    record, output = tmp_path / "record.json", tmp_path / "output.png"
    images = ("-c", content_path, "-s", style_path)
    first = run(*images, "--region", f"{mask}=1", "-o", output, "--record", record)
    assert (first.exit_code, "Warning" in first.stderr) == (0, False)
    assert "--style replaces the styles of --config" in run("--config", record, *images, "-o", output).stderr
    assert "Warning" not in run("--config", record, "-o", output).stderr


def test_styles_that_repeat_those_of_a_record_give_no_warning(
    content_path: Path, style_path: Path, mask: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, output = tmp_path / "record.json", tmp_path / "output.png"
    images = ("-c", content_path, "-s", f"{style_path}@5,5,30,30:2")
    assert run(*images, "--region", f"{mask}=1", "-o", output, "--record", record).exit_code == 0
    monkeypatch.chdir(tmp_path)
    again = ("--config", record, "-o", output)
    assert "Warning" not in run(*again, *images, "--region", f"{mask.name}=1").stderr
    for other in (images, ("-s", f"{style_path}@5,5,30,30", "--region", f"{mask}=1")):
        assert "--style replaces the styles of --config" in run(*again, *other).stderr


def test_masks_may_be_smaller_than_images(content_path: Path, style_path: Path, mask: Path, tmp_path: Path) -> None:
    with Image.open(mask) as image:
        image.resize((8, 1)).save(tmp_path / "small.png")
    masks = (f"--{kind}={tmp_path / 'small.png'}=1" for kind in ("region", "style-mask"))
    ran = run("-c", content_path, "-s", style_path, *masks, "-o", tmp_path / "output.png")
    assert ran.exit_code == 0, ran.output


def test_the_default_output_replaces_results_only(
    content_path: Path, style_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert run("-c", content_path, "-s", style_path).exit_code == 0
    shutil.copy(content_path, "cup-night.png")
    ran = run("-c", content_path, "-s", style_path)
    assert (ran.exit_code, files_in(tmp_path)) == (2, ["cup-night.png"])
    assert ran.stderr == (
        "Error: cup-night.png exists and is not a result of this program: move it, or choose another --output\n"
    )
    assert Path("cup-night.png").read_bytes() == content_path.read_bytes()


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
    file = resolve_paths(None, None, None, tmp_path / "flag.png", in_file, CONFIG)
    assert (file.content, file.styles) == (gradient, in_file["style"])
    with pytest.raises(
        UsageError, match=r"names the output .*file\.png, but such a file does not choose where to write"
    ):
        resolve_paths(None, None, None, None, in_file, CONFIG)


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


@pytest.mark.parametrize("role", ["config", "init", "weights", "extractor", "objective", "checksum"])
def test_files_that_options_name_are_not_overwritten(
    role: str, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    file = tmp_path / ("file.png.sha256" if role == "checksum" else "file.png")
    file.write_bytes(style_path.read_bytes())
    option = "objective" if role == "checksum" else role
    config = CONFIG if role == "config" else CONFIG.with_options(**{option: tmp_path / "file.png"})
    (tmp_path / "file.png").write_bytes(style_path.read_bytes())
    config_file = file if role == "config" else None
    (tmp_path / "link.json").symlink_to(file)
    for written in ({"record": file}, {"checkpoint": file}, {"record": tmp_path / "link.json"}):
        with pytest.raises(UsageError, match="refusing to overwrite"):
            resolve_paths(
                content_path,
                [str(style_path)],
                None,
                tmp_path / "o.png",
                {},
                config,
                config_file=config_file,
                **written,
            )
    paths = resolve_paths(
        content_path, [str(style_path)], None, tmp_path / "o.png", {}, config, config_file=config_file
    )
    with pytest.raises(UsageError, match="refusing to overwrite"):
        open_video(file, paths, config, 12)


def test_the_default_output_does_not_replace_the_painting_that_is_repeated(
    content_path: Path, style_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("-c", content_path, "-s", style_path).exit_code == 0
    (painting,) = tmp_path.iterdir()
    before = painting.read_bytes()
    ran = run("--config", painting, "-c", content_path, "-s", style_path)
    assert (ran.exit_code, painting.read_bytes()) == (2, before)
    assert "refusing to overwrite" in ran.stderr


def test_intermediate_images_do_not_replace_the_content_image(
    content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    photograph = tmp_path / "o-0002.png"
    photograph.write_bytes(content_path.read_bytes())
    ran = run("-c", photograph, "-s", style_path, "-o", tmp_path / "o.png", "--save-every", 2)
    assert ran.exit_code == 2
    assert "refusing to overwrite" in ran.stderr
    assert photograph.read_bytes() == content_path.read_bytes()


def test_a_run_is_repeated_with_its_initial_image_in_another_folder(
    content_path: Path, style_path: Path, gradient: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content, style = (shutil.copy(path, tmp_path / f"own-{path.name}") for path in (content_path, style_path))
    ran = run("-c", content, "-s", style, "-o", "first.png", "--init", gradient.name)
    assert ran.exit_code == 0, ran.stderr
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = run("--config", tmp_path / "first.png", "-o", "again.png")
    assert (again.exit_code, "Warning" in again.stderr) == (0, False), again.stderr
    np.testing.assert_array_equal(pixels_of("again.png"), pixels_of(tmp_path / "first.png"))
    Image.new("RGB", (30, 30), "red").save(gradient)
    changed = run("--config", tmp_path / "first.png", "-o", "changed.png")
    assert changed.exit_code == 0
    assert f"Warning: {gradient} has changed since the run that --config records" in changed.stderr


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--region nowhere.png=1", "region mask nowhere.png does not exist"),
        ("--style-mask nowhere.png=1", "style mask nowhere.png does not exist"),
        ("--init nowhere.png", "--init nowhere.png does not exist"),
        ("--weights nowhere.pth", "no weights 'nowhere.pth'"),
        ("--weights CONTENT", "unknown format of weight file"),
        ("--arch vgg16", "the Oxford weights are a vgg19, not a vgg16"),
        ("--weights torchvision-features", "torchvision-features has no vgg19"),
        ("--extractor nowhere.onnx", "there is no artifact 'nowhere.onnx'"),
        ("--objective nowhere.onnx", "there is no artifact 'nowhere.onnx'"),
    ],
)
def test_a_dry_run_names_a_file_that_the_run_would_miss(
    option: str, sentence: str, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    options = option.replace("CONTENT", str(content_path)).split()
    ran = run("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", "--dry-run", *options)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert sentence in ran.stderr


def test_names_are_printed_as_they_are(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    output = tmp_path / "[/b] [red]:cat:\x1b[31m.png"
    ran = run("-c", content_path, "-s", style_path, "-o", output, "--dry-run")
    assert ran.exit_code == 0, ran.output
    assert f"output: {tmp_path}/[/b] [red]:cat:\\x1b[31m.png (not written" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("-s STYLE:-1", "does not exist"),
        ("-s STYLE:0", "the weight of a style is 0: expected a positive number"),
        ("-s STYLE@0,0,999,10", "999"),
        ("-s STYLE --region MASK", "expected MASK=STYLE"),
        ("-s STYLE --region nowhere.png=STYLE", "nowhere.png does not exist"),
        ("-s STYLE --style-mask nowhere.png=STYLE", "nowhere.png does not exist"),
        ("-s STYLE --style-mask nowhere.png=other.png", "no style without a style mask is called 'other.png'"),
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
