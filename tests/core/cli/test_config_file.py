"""Options from TOML files, run records and images."""

import json
from pathlib import Path

import pytest
from PIL import Image

from core.cli.config_file import read_options
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.runs.record import write_record
from core.styles import Style


def test_a_toml_file(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(
        'content = "a.jpg"\nstyle = "b.jpg"\noutput = "c.png"\nimage-size = 256\nstyle_weight = [1, 2, 3, 4, 5.5]\n'
    )
    assert read_options(tmp_path / "run.toml") == {
        "content": "a.jpg",
        "style": (Style(("b.jpg",)),),
        "output": "c.png",
        "image_size": 256,
        "style_weight": [1, 2, 3, 4, 5.5],
    }


def test_a_preset_in_a_file_gives_way_to_the_rest_of_it(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('preset = "johnson"\niterations = 5\n')
    options = read_options(tmp_path / "run.toml")
    assert (options["iterations"], options["content_weight"]) == (5, 5.0)


def test_a_record(tmp_path: Path) -> None:
    config = TransferConfig(image_size=99)
    record = {
        "config": config.to_dict(),
        "content": {"path": "/a.jpg", "sha256": ""},
        "style": {"path": None, "sha256": ""},
    }
    write_record(tmp_path / "deep" / "run.json", record)
    assert json.loads((tmp_path / "deep" / "run.json").read_text()) == record
    options = read_options(tmp_path / "deep" / "run.json")
    assert options.pop("content") == "/a.jpg"
    assert TransferConfig.from_options(options) == config


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("run.toml", "image_size = = 3", "cannot be understood"),
        ("run.toml", "colour = 3", "unknown option 'colour'"),
        ("run.toml", "image_size = 3", "--image-size is 3"),
        ("run.json", "[1]", "holds no options"),
        ("run.json", "{", "cannot be understood"),
    ],
)
def test_a_file_that_says_nothing_useful(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=sentence):
        read_options(tmp_path / name)


def test_a_picture_without_a_record(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "plain.png")
    with pytest.raises(UsageError, match="holds no options"):
        read_options(tmp_path / "plain.png")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read --config .*none\.toml: No such file"):
        read_options(tmp_path / "none.toml")
