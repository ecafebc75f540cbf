"""Options from files, and their merge with a preset and with flags; no run needed."""

import json
from pathlib import Path

import pytest
from PIL import Image

from core.cli.config_file import read_options, resolve_config
from core.config.presets import EFFORTS
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.styles import Style


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_read_options_reads_toml(tmp_path: Path) -> None:
    file = write(
        tmp_path / "run.toml",
        'content = "a.jpg"\nstyle = "b.jpg"\noutput = "c.png"\nimage-size = 256\nstyle_weight = [1, 2, 3, 4, 5.5]\n',
    )
    assert read_options(file) == {
        "content": "a.jpg",
        "style": (Style(("b.jpg",)),),
        "output": "c.png",
        "image_size": 256,
        "style_weight": [1, 2, 3, 4, 5.5],
    }


def test_read_options_reads_several_styles_with_a_region(tmp_path: Path) -> None:
    file = write(tmp_path / "run.toml", 'style = ["a.jpg:2", "b.jpg"]\nregion = "mask.png=b.jpg"\n')
    assert read_options(file) == {"style": (Style(("a.jpg",), 2.0), Style(("b.jpg",))), "region": ("mask.png=b.jpg",)}


def test_read_options_lets_options_override_the_preset_in_the_file(tmp_path: Path) -> None:
    options = read_options(write(tmp_path / "run.toml", 'preset = "johnson"\niterations = 5\n'))
    assert (options["iterations"], options["content_weight"]) == (5, 5.0)


def test_read_options_lets_the_effort_in_the_file_override_its_preset(tmp_path: Path) -> None:
    options = read_options(write(tmp_path / "run.toml", 'preset = "johnson"\neffort = "draft"\n'))
    assert TransferConfig.from_options(options) == TransferConfig.preset("johnson", **EFFORTS["draft"])


def test_read_options_reads_a_run_record(tmp_path: Path) -> None:
    config = TransferConfig(image_size=99)
    night = {"pictures": [{"path": "/n.jpg"}], "weight": 2.0, "region": {"path": "/m.png"}, "crop": [1, 2, 3, 4]}
    array = {"pictures": [{"path": None}], "weight": 1.0, "region": None, "crop": None}
    record = {"config": config.to_dict(), "content": {"path": "/a.jpg", "sha256": "12ab"}, "styles": [night, array]}
    options = read_options(write(tmp_path / "run.json", json.dumps(record)))
    assert options.pop("content") == "/a.jpg"
    assert options.pop("style") == (Style(("/n.jpg",), 2.0, "/m.png", (1, 2, 3, 4)),)
    assert options.pop("checksums") == {"/a.jpg": "12ab"}
    assert TransferConfig.from_options(options) == config


def test_read_options_reads_the_weights_of_a_table_of_styles(tmp_path: Path) -> None:
    file = write(tmp_path / "run.toml", 'region = "mask.png=b.jpg"\n[style]\n"a.jpg" = 2\n"b.jpg" = 0.5\n')
    styles = (Style(("a.jpg",), 2.0), Style(("b.jpg",), 0.5))
    assert read_options(file) == {"style": styles, "region": ("mask.png=b.jpg",)}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(("name", "text"), [("run.toml", 'content = "é.jpg"'), ("run.json", '{"content": "é.jpg"}')])
def test_read_options_reads_the_encodings_of_windows(name: str, text: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(text.encode(encoding))
    assert read_options(tmp_path / name) == {"content": "é.jpg"}


IMAGE = '{"path": "a.jpg", "sha256": "", "size": [9, 9]}'


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("run.toml", "content = 5", r"invalid value: Expected .*str.*, got .int. - at .\$\.content"),
        ("run.toml", "region = 5", r"at .\$\.region"),
        ("run.toml", "region = [5]", r"at .\$\.region\[0\]"),
        ("run.toml", 'style = [["a.jpg"]]', r"at .\$\.style\[0\]"),
        ("run.toml", '[style]\n"a.jpg" = "much"', r"at .\$\.style\[\.\.\.\]"),
        ("run.toml", '[style]\n"a.jpg" = nan', r"at .\$\.style\[\.\.\.\]"),
        ("run.toml", '[[style]]\npath = "a.jpg"', r"at .\$\.style\[0\]"),
        ("run.toml", 'style = ""', "a style is empty"),
        ("run.toml", 'preset = ["x"]', r"at .\$\.preset"),
        ("run.toml", "checksums = 5", "unknown option 'checksums'"),
        ("run.toml", "weights = 5", "--weights is 5: expected oxford, torchvision, torchvision-features, or a file"),
        ("run.toml", "init = 1979-05-27", "--init is datetime.date"),
        ("run.toml", "iterations = 1e400", "--iterations is inf"),
        ("run.toml", "image-size = " + "9" * 5000, "cannot parse --config"),
        ("run.toml", "a = " + "[" * 10_000, "nested too deeply"),
        ("run.toml", "a" + ".a" * 10_000 + " = 1", "nested too deeply"),
        ("run.json", '{"a": ' + "[" * 10_000 + "]" * 10_000 + "}", "nested too deeply"),
        ("run.json", "[" * 100_000, "nested too deeply"),
        ("run.json", '{"config": {"output": "/tmp/a.png"}}', "unknown option 'output'"),
        ("run.json", '{"config": {"content": 5}}', "unknown option 'content'"),
        ("run.json", '{"config": {}, "content": "a.jpg"}', r"at .\$\.content"),
        ("run.json", '{"config": {}, "content": {"path": 5}}', r"at .\$\.content\.path"),
        ("run.json", '{"config": {}, "styles": [5]}', r"at .\$\.styles\[0\]"),
        ("run.json", '{"config": {}, "styles": [{"images": [], "weight": 1}]}', r"at .\$\.styles\[0\]\.images"),
        ("run.json", f'{{"config": {{}}, "styles": [{{"images": [{IMAGE}], "weight": NaN}}]}}', r"styles\[0\]\.weight"),
        ("run.json", f'{{"config": {{}}, "styles": [{{"images": [{IMAGE}]}}]}}', "missing required field `weight`"),
        ("run.json", f'{{"config": {{}}, "styles": [{{"images": [{IMAGE}], "weight": 1, "crop": [1]}}]}}', r"\.crop"),
        ("run.json", '{"config": {}, "engine": 5, "files": 5}', r"at .\$\.files"),
        ("run.toml", "image_size = = 3", "cannot parse --config"),
        ("run.toml", "color = 3", "unknown option 'color'"),
        ("run.toml", "image_size = 3", "--image-size is 3"),
        ("run.json", "[1]", "contains no options"),
        ("run.json", "{", "cannot parse --config"),
    ],
)
def test_read_options_refuses_an_invalid_file(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        read_options(write(tmp_path / name, text))


@pytest.mark.parametrize("name", ["run.toml", "run.json"])
def test_read_options_refuses_a_large_file_unread(name: str, tmp_path: Path) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(2**40)  # a sparse file that no memory holds
    with pytest.raises(UsageError, match=rf"cannot parse --config .*{name}: it has more than 67108864 bytes"):
        read_options(tmp_path / name)


def test_read_options_refuses_an_image_without_a_record(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "plain.png")
    with pytest.raises(UsageError, match="contains no options"):
        read_options(tmp_path / "plain.png")


def test_read_options_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read --config .*none\.toml: No such file"):
        read_options(tmp_path / "none.toml")


def test_resolve_config_prefers_flags_to_the_file_and_the_file_to_the_preset(tmp_path: Path) -> None:
    file = write(tmp_path / "run.toml", 'content = "a.jpg"\niterations = 3\nimage-size = 48\n')
    flags = {"image_size": "40", "seed": None}
    config, paths = resolve_config(flags, preset="gatys2015", config_file=file)
    assert config == TransferConfig.preset("gatys2015", image_size=40, iterations=3)
    assert paths == {"content": "a.jpg"}


@pytest.mark.parametrize(
    ("lines", "flags", "iterations"),
    [
        ((), {}, EFFORTS["draft"]["iterations"]),
        (("preset = 'johnson'",), {}, EFFORTS["draft"]["iterations"]),
        (("effort = 'best'",), {}, EFFORTS["draft"]["iterations"]),
        (("iterations = 3",), {}, 3),
        (("iterations = 3",), {"iterations": "4"}, 4),
    ],
)
def test_resolve_config_lets_the_effort_override_presets_and_be_overridden_by_options(
    lines: tuple[str, ...], flags: dict[str, str], iterations: int, tmp_path: Path
) -> None:
    file = write(tmp_path / "run.toml", "\n".join(lines))
    config, _ = resolve_config(flags, preset="gatys2015", effort="draft", config_file=file)
    assert (config.iterations, config.init) == (iterations, "noise")


def test_resolve_config_checks_the_file_together_with_flags(tmp_path: Path) -> None:
    """The preset has a weight for each of five layers, the file one layer, and the flags its weight."""
    file = write(tmp_path / "run.toml", 'style-layers = "relu1_1"')
    config, _ = resolve_config({"style_weight": "2"}, preset="johnson", config_file=file)
    assert config.style_weights == {"relu1_1": 2.0}


def test_resolve_config_counts_epochs_of_20_evaluations() -> None:
    assert resolve_config({}, epochs=3)[0] == TransferConfig(iterations=60)


def test_resolve_config_takes_cuda_as_the_device() -> None:
    assert resolve_config({}, cuda=True)[0] == TransferConfig(device="cuda")


@pytest.mark.parametrize(
    ("flags", "options", "sentence"),
    [
        ({"iterations": "2"}, {"epochs": 1}, "--epochs and --iterations are mutually exclusive"),
        ({"device": "cpu"}, {"cuda": True}, "--cuda and --device are mutually exclusive"),
        ({}, {"epochs": 0}, "--epochs is 0: expected a whole number of at least 1"),
        ({}, {"preset": "picasso"}, "unknown preset 'picasso': expected one of "),
        ({}, {"effort": "quick"}, "unknown effort 'quick': expected one of draft, standard, best"),
    ],
)
def test_resolve_config_refuses_contradictory_flags(flags: dict, options: dict, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        resolve_config(flags, **options)
