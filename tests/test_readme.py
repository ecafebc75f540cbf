"""The README stays true: its commands run, its Python runs, its files are there."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from core.cli.config_file import read_options
from core.config.transfer_config import TransferConfig

ROOT = Path(__file__).parents[1]
BY_OTHER_TESTS = ("python -m export web", "python -m export serve")
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every command line of the project's own programs."""
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("python -m")]
    assert len(lines) >= 10
    return [line for line in lines if not line.startswith(BY_OTHER_TESTS)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples, where the commands run one after the other."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "examples").symlink_to(ROOT / "examples")
    return folder


@pytest.mark.parametrize("command", commands())
def test_the_commands_run(command: str, folder: Path) -> None:
    """At a small size, which changes nothing else; in the order of the README, for some need what others wrote."""
    arguments = shlex.split(command)[1:]
    if "--content" in arguments:
        arguments += ["--image-size", "48", "--iterations", "2"]
    ran = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    if "--dry-run" not in arguments and "--output" in arguments:
        assert (folder / arguments[arguments.index("--output") + 1]).stat().st_size > 0


def test_the_python_runs(folder: Path) -> None:
    (block,) = blocks("python")
    small = block.replace("image_size=384, iterations=100", "image_size=48, iterations=2")
    assert small != block
    subprocess.run([sys.executable, "-c", small], cwd=folder, check=True, capture_output=True)
    assert (folder / "coffee-autumn.png").stat().st_size > 0


def test_the_toml_is_understood(tmp_path: Path) -> None:
    (block,) = blocks("toml")
    (tmp_path / "run.toml").write_text(block)
    options = read_options(tmp_path / "run.toml")
    (style,) = options.pop("style")
    assert all((ROOT / path).is_file() for path in (options.pop("content"), *style.images))
    assert options.pop("output") == tomllib.loads(block)["output"]
    assert TransferConfig.from_options(options).image_size == 768


def test_the_files_it_shows_are_there() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    local = [target for target in targets if not target.startswith("http")]
    assert len(local) >= 3
    assert [target for target in local if not (ROOT / target).exists()] == []
