"""Command lines that compute the same result as the page."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from core.cli.config_file import read_options
from core.config.options import options_of
from core.config.presets import PRESETS
from core.config.transfer_config import TransferConfig
from core.webapp.command_line import StyleFile, command_line


def parse_options(line: str, tmp_path: Path) -> dict[str, Any]:
    """The options of `TransferConfig` in a command line, read as those of a `--config` file."""
    words = shlex.split(line)
    flags = dict(zip(words[3::2], words[4::2], strict=True))
    given = {name: flags[option.flag] for name, option in options_of(TransferConfig).items() if option.flag in flags}
    config = tmp_path / "options.toml"
    config.write_text("".join(f"{name} = {json.dumps(text)}\n" for name, text in given.items()))
    return read_options(config)


@pytest.mark.parametrize("preset", PRESETS)
def test_command_line_contains_every_option_exactly(preset: str, tmp_path: Path) -> None:
    config = TransferConfig.preset(preset, seed=7, tv_weight=0.1 + 0.2, max_memory="6GB", device="cpu")
    line = command_line("a.jpg", [StyleFile("b.jpg")], config, "c.png")
    assert TransferConfig.from_options(parse_options(line, tmp_path)) == config
    assert "--device cpu" in line
    assert "--quality" not in line


def test_command_line_is_quoted_and_names_every_image() -> None:
    styles = [StyleFile("o'er.png", 0.5), StyleFile("b c.jpg", 1 / 3, "b region.png", "b part.png")]
    line = command_line("$HOME.jpg", styles, TransferConfig(), "out.png")
    assert shlex.split(line) == [
        "python", "-m", "core.transfer", "--content", "$HOME.jpg", "--style", "o'er.png:0.5",
        "--style", "b c.jpg:0.3333333333333333", "--region", "b region.png=b c.jpg",
        "--style-mask", "b part.png=b c.jpg", "--output", "out.png",
    ]  # fmt: skip
    printed = subprocess.run(["sh", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True)
    assert printed.stdout.splitlines() == shlex.split(line)


def test_command_line_adds_a_weight_to_a_single_style_only_if_its_name_contains_a_colon() -> None:
    for name, argument in (("a.jpg", "a.jpg"), ("a:2", "a:2:1.0")):
        words = shlex.split(command_line("c.jpg", [StyleFile(name)], TransferConfig(), "out.png"))
        assert words[words.index("--style") + 1] == argument
