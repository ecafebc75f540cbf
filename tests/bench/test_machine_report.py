"""The description of the machine on the terminal and as JSON."""

import json
from io import StringIO

import pytest
from rich.console import Console
from typer.testing import CliRunner

from bench.__main__ import app
from bench.machine import DeviceLimits, Machine, available_devices
from bench.machine_report import machine_json, print_machine

MACHINE = Machine(name="A CPU, 8 cores", versions={"torch": "2.11.0"}, cores=8, cpu="A CPU", instruction_sets=("avx2",))
LIMITS = [DeviceLimits("cpu", {"fp32": 1.234e11, "bf16": 2e12}, 25.6e9)]


@pytest.fixture
def known_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the test the reports are about `MACHINE` with `LIMITS`."""
    monkeypatch.setattr("bench.machine_report.describe_machine", lambda: MACHINE)
    monkeypatch.setattr("bench.machine_report.measure_limits", lambda: LIMITS)


def test_rates_have_units_and_three_digits(known_machine: None) -> None:
    console = Console(width=80, record=True, file=StringIO())
    print_machine(console)
    text = console.export_text()
    rows = [line.strip("│").replace("│", "|") for line in text.splitlines() if line.startswith("│")]
    assert text.startswith("A CPU, 8 cores\navx2\ntorch 2.11.0\n")
    assert [[cell.strip() for cell in row.split("|")] for row in rows] == [
        ["cpu", "matrix product, fp32", "0.123 TFLOP/s"],
        ["cpu", "matrix product, bf16", "2 TFLOP/s"],
        ["cpu", "copy in memory", "25.6 GB/s"],
    ]


def test_json_has_the_description_and_the_limits(known_machine: None) -> None:
    found = json.loads(machine_json())
    assert found["name"] == "A CPU, 8 cores"
    assert found["limits"] == [
        {"device": "cpu", "flop_per_second": {"fp32": 1.234e11, "bf16": 2e12}, "bytes_per_second": 25.6e9}
    ]


def test_machine_prints_its_limits() -> None:
    described = json.loads(CliRunner().invoke(app, ["machine", "--json"]).stdout)
    assert [limit["device"] for limit in described["limits"]] == list(available_devices())
    outcome = CliRunner().invoke(app, ["machine"])
    assert outcome.exit_code == 0
    assert described["cpu"] in outcome.stdout
    assert "TFLOP/s" in outcome.stdout
