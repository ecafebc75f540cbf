"""The racers of a race by their values."""

from pathlib import Path

import pytest

from bench.time_to_quality.racers import RIVALS, read_racers
from core.errors import UsageError


def test_rivals_run_at_their_full_length() -> None:
    racers = read_racers(["default", *RIVALS], 512)
    assert [(racer.name, racer.evaluations) for racer in racers] == [
        ("default", 270),
        ("johnson", 1000),
        ("crowson", 3000),
        ("nnst", 1000),
    ]
    assert racers[1].settings["init"] == "noise"
    assert racers[3].settings == {"program": "nnst", "image_size": 512}
    assert {racer.device for racer in racers} == {"auto"}


def test_a_file_is_a_racer(tmp_path: Path) -> None:
    path = tmp_path / "short.toml"
    path.write_text('iterations = 6\ndevice = "cpu"\n')
    (racer,) = read_racers([str(path)], 64)
    assert (racer.name, racer.evaluations, racer.device) == ("short", 6, "cpu")


def test_a_name_is_used_once() -> None:
    with pytest.raises(UsageError, match="two programs have the name 'nnst'"):
        read_racers(["nnst", "nnst"], 512)


def test_an_unknown_value_is_refused() -> None:
    with pytest.raises(UsageError, match=r"there is no configuration 'neural-doodle': expected default, a preset"):
        read_racers(["neural-doodle"], 512)
