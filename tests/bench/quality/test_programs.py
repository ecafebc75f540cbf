"""Values of --config and --rival."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from bench.quality.grid import Pair
from bench.quality.programs import check_names, read_configurations, read_rivals
from core.config.transfer_config import TransferConfig
from core.errors import UsageError

PAIRS = [Pair(Path("cup.jpg"), Path("night.png")), Pair(Path("cat.jpg"), Path("night.png"))]


def test_configurations_have_one_size_and_the_name_of_their_source(tmp_path: Path) -> None:
    (tmp_path / "strong.toml").write_text('strength = 0.9\nimage-size = 64\noutput = "elsewhere.png"\n')
    default, preset, file = read_configurations(["default", "firekind", str(tmp_path / "strong.toml")], 320)
    assert [it.name for it in (default, preset, file)] == ["default", "firekind", "strong"]
    assert default.config == TransferConfig(image_size=320)
    # The preset refers to the short side; all pictures must have the same size.
    assert (preset.config.image_size_side, preset.config.iterations) == ("long", 520)
    assert file.config == TransferConfig(image_size=320, strength=0.9)


@pytest.mark.parametrize("value", ["default", "johnson", "strong.toml"])
def test_options_give_the_configuration(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`core.transfer` parses the options; a dry run of it would print no configuration."""
    from typer.testing import CliRunner

    import core.transfer

    monkeypatch.chdir(tmp_path)
    Path("strong.toml").write_text("strength = 0.9\n")
    seen: list[TransferConfig] = []

    def resolve_paths(*arguments: Any, **_: object) -> SimpleNamespace:
        seen.append(arguments[5])
        return SimpleNamespace(inputs=(), styles=())

    monkeypatch.setattr(core.transfer, "resolve_paths", resolve_paths)
    monkeypatch.setattr(core.transfer, "run_to_files", lambda *_, **__: None)
    (configuration,) = read_configurations([value], 96)
    outcome = CliRunner().invoke(core.transfer.app, list(configuration.options))
    assert outcome.exit_code == 0, outcome.output
    assert seen == [configuration.config]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("defualt", r"there is no configuration 'defualt': expected default, a preset \(firekind, .*\), or a file"),
        ("bad.toml", "unknown option 'colour'"),
        ("region.toml", "region.toml has regions or style masks, which a comparison does not support: remove them"),
    ],
)
def test_bad_configurations_are_refused(
    value: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.toml").write_text("colour = 1\n")
    Path("region.toml").write_text('region = "mask.png=1"\n')
    with pytest.raises(UsageError, match=message):
        read_configurations([value], 96)


def test_rival_has_a_picture_of_each_pair(tmp_path: Path) -> None:
    for name in ("cup--night.png", "cat--night.jpg", "other.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    (rival,) = read_rivals([f"nnst={tmp_path}"], PAIRS)
    assert rival.name == "nnst"
    assert rival.pictures == {"cup--night": tmp_path / "cup--night.png", "cat--night": tmp_path / "cat--night.jpg"}
    (tmp_path / "cat--night.jpg").unlink()
    with pytest.raises(UsageError, match=r"--rival nnst has no picture cat--night in .*: add it, or"):
        read_rivals([f"nnst={tmp_path}"], PAIRS)


@pytest.mark.parametrize("value", ["nnst", "nnst=", "=.", "nnst=missing"])
def test_malformed_rivals_are_refused(value: str) -> None:
    with pytest.raises(UsageError, match=r"--rival is .*: expected NAME=FOLDER with a folder that exists"):
        read_rivals([value], PAIRS)


@pytest.mark.parametrize("names", [["default", "Default"], ["painting"], ["a-vs-b"], ["../esc"], ["/tmp/esc"], ["a/b"]])
def test_names_that_collide_are_refused(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"two programs have the name 'Default'|cannot have the name '(painting|a-vs-b|.*/.*)'"
    ):
        check_names(names)
