"""Races by the picture: known answers, and a short race with the tiny network."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.results import Measures, RacePoint, RaceRun, load
from bench.time_to_quality.race import run_race, time_to_match
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from support.bench_files import QUALITY
from support.painters import write_painter

NAMES = ("quick", "slow")


def points(*figures: tuple[float, float, float]) -> list[RacePoint]:
    """Points of seconds, structure and style."""
    return [RacePoint(0, seconds, Measures(structure, style, 0.0, None)) for seconds, structure, style in figures]


def test_both_measures_decide() -> None:
    """The second point has the style but not the structure, the third one the structure but not the style."""
    own = points((1, 0.1, 0.9), (2, 0.3, 0.4), (3, 0.2, 0.6), (4, 0.2, 0.5), (5, 0.1, 0.1))
    found = time_to_match(own, "rival", points((10, 0.0, 0.0), (80, 0.2, 0.5)))
    assert (found.rival, found.rival_seconds, found.seconds, found.ratio) == ("rival", 80, 4, 20)


def test_a_picture_that_is_never_as_good_has_no_time() -> None:
    found = time_to_match(points((1, 0.1, 0.9), (2, 0.3, 0.4)), "rival", points((80, 0.2, 0.5)))
    assert (found.seconds, found.ratio) == (None, None)


@pytest.fixture
def configs(tmp_path: Path) -> list[str]:
    """A configuration of 6 evaluations, and one of 9 with another style loss, as files."""
    options = ("iterations = 6\nscales = 1\n", 'iterations = 9\nscales = 1\nstyle_loss = "wasserstein"\n')
    for name, text in zip(NAMES, options, strict=True):
        (tmp_path / f"{name}.toml").write_text(text)
    return [str(tmp_path / f"{name}.toml") for name in NAMES]


def test_race_measures_and_shows_the_pictures(
    configs: list[str], content_path: Path, style_path: Path, tmp_path: Path, tiny_vgg: None
) -> None:
    folder, reported = tmp_path / "race", list[tuple[str, int]]()
    found = run_race(
        content_path,
        style_path,
        folder,
        config=configs[0],
        rivals=configs[1:],
        size=64,
        on_point=lambda name, point: reported.append((name, point.evaluations)),
    )
    stored = load(folder / "race.json")
    assert isinstance(stored, RaceRun)
    assert stored.leads == found.leads
    assert [racer.points for racer in stored.racers] == [racer.points for racer in found.racers]
    assert (found.content, found.style, found.size) == (content_path.name, style_path.name, (64, 43))
    assert [racer.name for racer in found.racers] == list(NAMES)
    for racer, last in zip(found.racers, (6, 9), strict=True):
        evaluations = [point.evaluations for point in racer.points]
        assert evaluations[-1] == racer.config["iterations"] == last
        assert [number for name, number in reported if name == racer.name] == evaluations
        times = [point.seconds for point in racer.points]
        assert times == sorted(times)
        assert np.isfinite([point.measures.style for point in racer.points]).all()
    assert found.leads == (time_to_match(found.racers[0].points, "slow", found.racers[1].points),)
    with Image.open(folder / f"{content_path.stem}.png") as sheet:
        assert sheet.width > 4 * 64
    for name in NAMES:
        with Image.open(folder / "pictures" / f"{name}.png") as picture:
            assert picture.size == (64, 43)
    other = shutil.copy(content_path, tmp_path / "other.png")
    with pytest.raises(UsageError, match=r"race\.json is not of a race with other\.png: choose another folder$"):
        run_race(Path(other), style_path, folder, size=64)


def test_a_painter_cannot_race(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    write_painter(tmp_path / "painter.onnx", TransferConfig())
    (tmp_path / "file.toml").write_text(f"painter = '{tmp_path / 'painter.onnx'}'\n")
    with pytest.raises(UsageError, match=r"^file has --painter .*painter\.onnx: race without this option$"):
        run_race(content_path, style_path, tmp_path / "race", rivals=[str(tmp_path / "file.toml")], size=64)
    assert not (tmp_path / "race").exists()


def test_only_files_of_an_earlier_race_are_overwritten(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    picture = tmp_path / f"{content_path.stem}.png"
    picture.write_bytes(b"a picture")
    with pytest.raises(UsageError, match=r"which belongs to no race: choose another folder$"):
        run_race(content_path, style_path, tmp_path, size=64)
    assert picture.read_bytes() == b"a picture"
    finished = tmp_path / "race" / "pictures" / "nnst.png"
    finished.parent.mkdir(parents=True)
    finished.write_bytes(b"a picture")
    with pytest.raises(UsageError, match=r"nnst\.png, which belongs to no race: choose another folder$"):
        run_race(content_path, style_path, tmp_path / "race", size=64)
    (tmp_path / "race.json").write_text(json.dumps(QUALITY))
    with pytest.raises(
        UsageError, match=rf"race\.json is not of a race with {content_path.name}: choose another folder$"
    ):
        run_race(content_path, style_path, tmp_path, size=64)


def test_a_preset_does_not_race_against_itself(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    """The names are checked before the folder, in which nothing may be overwritten."""
    (tmp_path / f"{content_path.stem}.png").write_bytes(b"a picture")
    with pytest.raises(UsageError, match="which belongs to no race"):
        run_race(content_path, style_path, tmp_path, config="johnson", size=64)


def test_two_configurations_of_one_name_are_refused(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="default"):
        run_race(content_path, style_path, tmp_path / "race", rivals=["default"], size=64)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "race.json"
    path.write_text(json.dumps({"kind": "race", "date": "2026-07-08T09:10:11+00:00"}))
    with pytest.raises(UsageError, match=r"race\.json is damaged: Object missing required field"):
        load(path)
