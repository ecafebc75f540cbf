"""Former option names and the layout of the help."""

from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from support.core_commands import transfer


@pytest.mark.parametrize(
    ("former", "present"),
    [
        ("--content-image-path {}", "--content {}"),
        ("--content-image-path={}", "--content {}"),
        ("--save-path {}", "--output {}"),
        ("--style-image-path {}", "--style {}"),
    ],
)
def test_former_option_names_are_accepted(
    former: str, present: str, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    options = {"--content": content_path, "--style": style_path, "--output": tmp_path / "o.png"}
    name = present.split(maxsplit=1)[0]
    arguments = [part for option, value in options.items() if option != name for part in (option, value)]
    ran = transfer(*arguments, *former.format(options[name]).split(), "--device", "cpu", "--dry-run")
    assert ran.exit_code == 0, ran.output
    assert f"output: {tmp_path / 'o.png'}" in ran.stdout


def test_former_names_of_the_video_options_are_accepted(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    images = ("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", "--dry-run")
    for arguments, sentence in (
        (("--film", tmp_path / "film.gif"), f"--video is {tmp_path / 'film.gif'}: expected a file name that ends in"),
        (("--film", tmp_path / "film.webp", "--film-fps=99"), "--video-fps is 99: expected a number from 1 to 60"),
    ):
        ran = transfer(*images, *arguments)
        assert (ran.exit_code, ran.stdout) == (2, "")
        assert sentence in ran.stderr


def test_help_lists_present_names_only_and_no_type_of_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = transfer("--help").stdout
    assert "--video " in shown
    for hidden in ("--film", "--save-path", "image-path", "bool"):
        assert hidden not in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--no-such-option", ["no such option: --no-such-option"]),
        ("--strengh 0.3", ["--strengh", "--strength"]),
        ("--content", ["'--content' requires an argument"]),
        ("--progress loud", ["'--progress'", "'loud'", "'json'"]),
        ("--checkpoint-every soon", ["'--checkpoint-every'", "number"]),
        ("a.png b.png", ["unexpected extra argument", "a.png b.png"]),
        ("--record=", ["--record is an empty path, expected a file or a folder"]),
    ],
)
def test_a_wrong_command_line_is_reported_in_one_sentence(arguments: str, words: list[str]) -> None:
    """Most of the sentence is that of the installed version of Typer."""
    ran = transfer(*arguments.split())
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("Error: ")
    assert all(word in ran.stderr for word in words)
    assert ran.stderr.endswith(": --help lists the options\n")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("export.__main__", "inspect --x"), ("bench.__main__", "run --x"), ("core.app", "--x")],
)
def test_other_programs_report_a_wrong_command_line_in_one_sentence(module: str, arguments: str) -> None:
    ran = CliRunner().invoke(import_module(module).app, arguments.split())
    assert (ran.exit_code, ran.stderr) == (2, "Error: no such option: --x: --help lists the options\n")
