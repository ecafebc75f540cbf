"""The rows of a race: finished pictures, and when the first configuration was as good."""

from pathlib import Path

from bench.reporting.race_rows import race_rows
from bench.reporting.text import NO_VALUE
from bench.results import RaceRun
from support.bench_files import RACE, load_values


def test_a_row_has_the_last_picture_and_the_lead(tmp_path: Path) -> None:
    run = load_values(tmp_path, RACE)
    assert isinstance(run, RaceRun)
    first, faster, better = race_rows(run)
    assert first == {
        "configuration": "default",
        "evaluations": "20",
        "seconds": "20.0",
        "structure": "0.250",
        "style": "0.300",
        "first as good after": NO_VALUE,
        "ratio": NO_VALUE,
    }
    assert (faster["configuration"], faster["evaluations"], faster["seconds"]) == ("[johnson]", "10", "90.0")
    assert (faster["first as good after"], faster["ratio"]) == ("10.0", "9.00")
    assert (better["seconds"], better["first as good after"], better["ratio"]) == ("300", "never", NO_VALUE)
