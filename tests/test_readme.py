"""Run the commands, the Python and the configuration file that README.md and docs/usage.md show."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.cli.config_file import read_options
from core.config.options import options_of
from core.config.presets import EFFORTS
from core.config.transfer_config import TransferConfig
from support.documented_exports import copy_documented_export, is_export
from support.programs import PROGRAMS, commands_of_programs, program

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[1]
README, USAGE = ROOT / "README.md", ROOT / "docs" / "usage.md"
DEPLOY = ROOT / "docs" / "deploy.md"
"""The page whose commands `tests/test_deploy.py` runs."""
ALL_PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

TESTED_ELSEWHERE = ("python -m core.app", "python -m export web", "python -m export serve")
SMALL = ["--image-size", "48", "--iterations", "2"]
INLINE_CODE = re.compile(r"`([^`\n]+)`")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")


def code_blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Return every command of the project's programs that no other test runs, once, in the order of the pages."""
    own, others = (
        [line for page in pages for block in code_blocks(page, "sh") for line in block.splitlines()]
        for pages in ((README, USAGE), (DEPLOY,))
    )
    found = [line for line in own if line.startswith("python -m") and not line.startswith(TESTED_ELSEWHERE)]
    found = [line for line in found if line not in others]
    assert len(found) >= 20
    return list(dict.fromkeys(found))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the examples, where the commands run one after the other."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "examples").symlink_to(ROOT / "examples")
    return folder


@pytest.mark.parametrize("command", commands())
def test_documented_command_runs(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Commands run with small images and few evaluations. Some of them read the files of earlier ones."""
    if is_export(command):
        copy_documented_export(tmp_path_factory, command, folder)
        return
    name, *arguments = shlex.split(command)[2:]
    if "--content" in arguments:
        arguments += SMALL
    monkeypatch.chdir(folder)
    if name in PROGRAMS:
        ran = CliRunner().invoke(program(name), arguments)
        assert ran.exit_code == 0, ran.output
    else:
        line = [sys.executable, "-m", name, *arguments]
        process = subprocess.run(line, capture_output=True, text=True, check=False)
        assert process.returncode == 0, process.stderr
    if "--dry-run" not in arguments and "--output" in arguments:
        assert (folder / arguments[arguments.index("--output") + 1]).stat().st_size > 0


def test_readme_python_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = code_blocks(README, "python")
    small = block.replace("image_size=384, iterations=100", "image_size=48, iterations=2")
    assert small != block
    monkeypatch.chdir(folder)
    exec(compile(small, "README.md", "exec"), {})
    assert Path("coffee-autumn.png").stat().st_size > 0


def test_usage_configuration_file_is_valid(tmp_path: Path) -> None:
    (block,) = code_blocks(USAGE, "toml")
    (tmp_path / "run.toml").write_text(block)
    options = read_options(tmp_path / "run.toml")
    images = [image for style in options.pop("style") for image in style.images]
    assert all((ROOT / path).is_file() for path in (options.pop("content"), *images))
    assert TransferConfig.from_options(options).image_size == 768


def test_usage_lists_the_evaluations_of_every_effort() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+)", USAGE.read_text(), flags=re.MULTILINE)
    assert [(name, int(count)) for name, count in rows] == [
        (name, TransferConfig.effort(name).iterations) for name in EFFORTS
    ]


def test_every_program_with_presets_has_efforts() -> None:
    flags = [program_flags(name) for name in PROGRAMS]
    assert sum("--preset" in names for names in flags) >= 3
    assert all(("--effort" in names) == ("--preset" in names) for names in flags)


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_linked_files_exist(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", [README, USAGE], ids=lambda page: page.stem)
def test_documented_options_exist(page: Path) -> None:
    named = {flag for code in INLINE_CODE.findall(page.read_text()) for flag in FLAG.findall(code)}
    assert len(named) >= 10
    assert sorted(named - known_flags()) == []


def test_usage_names_every_option() -> None:
    text = USAGE.read_text()
    assert [option.flag for option in options_of(TransferConfig).values() if option.flag not in text] == []


def test_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 150


def known_flags() -> set[str]:
    """Return the flags of all programs."""
    return {"--help"}.union(*(program_flags(name) for name in PROGRAMS))


def program_flags(name: str) -> set[str]:
    """Return the flags of a program and its subcommands."""
    params = [
        param for program_name, _, command in commands_of_programs() if program_name == name for param in command.params
    ]
    return {flag for param in params for flag in (*param.opts, *param.secondary_opts)}
