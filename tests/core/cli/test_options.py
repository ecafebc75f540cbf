"""The options of the commands and their help."""

from collections.abc import Callable
from dataclasses import fields

import pytest
from typer.testing import Result

from core.config import style_losses
from core.config.transfer_config import TransferConfig
from support.core_commands import batch, transfer
from support.programs import commands_of_programs


def help_text(command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "400")
    ran = command("--help")
    assert ran.exit_code == 0
    return ran.stdout


def test_transfer_has_an_option_for_every_field_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    text = help_text(transfer, monkeypatch)
    for option in fields(TransferConfig):
        assert f" --{option.name.replace('_', '-')} " in text
    assert text.count("[default: 512]") == 2  # the size of the image, and the reference size


def test_batch_has_no_option_for_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    text = help_text(batch, monkeypatch)
    assert " --save-every " not in text
    assert " --iterations " in text


def test_help_lists_the_options_most_users_need_first(monkeypatch: pytest.MonkeyPatch) -> None:
    text = help_text(transfer, monkeypatch)
    names = [
        "--content ",
        "--style ",
        "--help ",
        "--image-size ",
        "--strength ",
        "--effort ",
        "--epochs ",
        "--checkpoint ",
        "--video ",
    ]
    places = [text.index(f" {name}") for name in [*names, "--style-weight ", "--arch ", "--device ", "--cuda "]]
    assert places == sorted(places)


def test_help_of_style_loss_includes_a_loss_registered_after_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style_losses, "STYLE_LOSSES", dict(style_losses.STYLE_LOSSES))
    style_losses.register_style_loss(
        style_losses.StyleLossSpec(
            name="checkers", implementation="toy:Checkers", help="counts of squares", tileable=False, activation_power=2
        )
    )
    text = help_text(transfer, monkeypatch)
    assert "'checkers' (counts of squares)" in text
    assert "'gram' (" in text


def test_help_of_each_option_fits_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lines of 120 characters."""
    for command in (transfer, batch):
        rows = [line for line in help_text(command, monkeypatch).splitlines() if line.startswith("│ --")]
        assert len(rows) > 30
        for row in rows:
            description = row.strip("│ ").rsplit("  ", 1)[-1].split(" [default")[0]
            assert len(description) <= 240, description


def test_every_option_and_argument_of_every_program_names_its_value() -> None:
    """Without a placeholder of its own, the help shows a Python type such as <int range>."""
    named = 0
    for program, arguments, command in commands_of_programs():
        for param in command.params:
            if not getattr(param, "is_flag", False):
                assert param.metavar, (program, *arguments, param.name)
                named += 1
    assert named > 100
