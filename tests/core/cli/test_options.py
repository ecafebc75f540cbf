"""The options of the commands and their help."""

from collections.abc import Callable
from dataclasses import fields

import pytest
from typer.testing import Result

from core.config.transfer_config import TransferConfig
from support.core_commands import batch, transfer


def help_text(command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "250")
    ran = command("--help")
    assert ran.exit_code == 0
    return ran.stdout


def test_transfer_has_an_option_for_every_field_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    text = help_text(transfer, monkeypatch)
    for option in fields(TransferConfig):
        assert f" --{option.name.replace('_', '-')} " in text
    assert text.count("[default: 512]") == 1


def test_batch_has_no_option_for_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    text = help_text(batch, monkeypatch)
    assert " --save-every " not in text
    assert " --iterations " in text


def test_help_of_each_option_is_at_most_two_lines_of_120_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (transfer, batch):
        rows = [line for line in help_text(command, monkeypatch).splitlines() if line.startswith("│")]
        for row in rows:
            description = row.strip("│ ").rsplit("  ", 1)[-1].split(" [default")[0]
            assert len(description) <= 240, description
