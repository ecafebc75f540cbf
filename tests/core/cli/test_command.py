"""Former option names and the layout of the help."""

from pathlib import Path

import pytest

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
