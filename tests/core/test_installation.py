"""The two extras: what is installed, and what a command prints where its packages are missing."""

import sys

import pytest
from typer.testing import CliRunner

from core.errors import StyleTransferError
from core.installation import check_installed, has_torch, require_full, without_artifacts
from support.programs import commands_of_programs, program

EXTRAS = ("pip install '.[full]'", "pip install '.[light]'")


@pytest.fixture
def without_extras(without_torch: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)


def test_torch_is_found() -> None:
    assert has_torch()
    check_installed()
    require_full("this test")
    assert without_artifacts("--objective") == "remove --objective"


@pytest.mark.usefixtures("without_torch")
def test_light_installation_is_enough_unless_something_needs_torch() -> None:
    assert not has_torch()
    check_installed()
    with pytest.raises(StyleTransferError) as caught:
        require_full("this test")
    assert str(caught.value) == (
        "this test needs PyTorch, which is not installed: run pip install '.[full]' in another environment"
    )
    assert without_artifacts("--objective") == f"install PyTorch in another environment: {EXTRAS[0]}"


@pytest.mark.usefixtures("without_extras")
def test_every_command_without_an_extra_names_both() -> None:
    for name, selected, command in commands_of_programs():
        if hasattr(command, "commands"):
            continue  # a program whose commands follow
        arguments = [part for param in command.params if param.required for part in _value(param)]
        ran = CliRunner().invoke(program(name), [*selected, *arguments])
        assert (ran.exit_code, ran.stdout) == (1, ""), (name, selected, ran.output)
        assert ran.stderr.startswith("Error: neither PyTorch nor ONNX Runtime is installed: run ")
        assert ran.stderr.count("\n") == 1
        assert all(extra in ran.stderr for extra in EXTRAS)


@pytest.mark.usefixtures("without_extras")
def test_every_command_without_an_extra_has_help() -> None:
    for name, selected, _ in commands_of_programs():
        ran = CliRunner().invoke(program(name), [*selected, "--help"])
        assert ran.exit_code == 0, (name, selected, ran.output)
        assert "Usage: " in ran.stdout


@pytest.mark.usefixtures("without_torch")
@pytest.mark.parametrize(
    "command",
    [
        "export extractor -o e.onnx",
        "export objective -o o.onnx",
        "export verify o.onnx",
        "bench run -o r.json",
        "bench machine",
        "bench time-to-quality --content c.png --style s.png",
        "bench quality c s -o q",
    ],
)
def test_commands_that_need_torch_say_so(command: str) -> None:
    name, *arguments = command.split()
    ran = CliRunner().invoke(program(name), arguments)
    assert (ran.exit_code, ran.stdout) == (1, ""), ran.output
    assert ran.stderr == (
        f"Error: python -m {name} {arguments[0]} needs PyTorch, which is not installed: run {EXTRAS[0]} in another "
        "environment\n"
    )


def _value(param: object) -> list[str]:
    """A required option or argument with a value."""
    flag = [param.opts[0]] if param.param_type_name == "option" else []
    return [*flag, "value"] * max(1, param.nargs)
