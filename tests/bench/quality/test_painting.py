"""Pictures are made once, and others are never overwritten; runs in this process with the tiny VGG."""

import json
from pathlib import Path

import pytest

from bench.quality.grid import Pair
from bench.quality.painting import Job, paint_missing
from bench.quality.programs import Configuration, read_configurations
from core.errors import UsageError
from core.image.embedded_record import read_record
from core.image.reading import read_image
from core.image.writing import write_image
from support.quality_runs import Transfers

pytestmark = pytest.mark.usefixtures("tiny_vgg")


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    (tmp_path / "short.toml").write_text("iterations = 2\nscales = 1\n")
    return read_configurations([str(tmp_path / "short.toml")], 64)[0]


@pytest.fixture
def job(content_path: Path, style_path: Path, configuration: Configuration, tmp_path: Path) -> Job:
    return Job(Pair(content_path, style_path), configuration, tmp_path / "pictures" / "picture.png")


def paint(job: Job, transfers: Transfers) -> None:
    paint_missing([job], transfers, lambda _: None)


def test_a_picture_is_made_once(job: Job) -> None:
    transfers = Transfers()
    paint(job, transfers)
    assert read_image(job.picture).size == (64, 43)
    record = json.loads(read_record(job.picture) or "")
    assert record["config"]["iterations"] == 2
    assert (job.seconds(), job.peak_memory_bytes()) == (record["seconds"], Transfers.USAGE.peak_memory_bytes)
    before = job.picture.read_bytes()
    paint(job, transfers)
    assert len(transfers.options) == 1
    assert job.picture.read_bytes() == before


def test_memory_is_unknown_without_its_file(job: Job) -> None:
    paint(job, Transfers())
    job.picture.with_suffix(".json").write_text("{")
    assert job.peak_memory_bytes() is None
    job.picture.with_suffix(".json").unlink()
    assert job.peak_memory_bytes() is None


def test_a_picture_of_another_configuration_is_refused(job: Job, tmp_path: Path) -> None:
    paint(job, Transfers())
    before = job.picture.read_bytes()
    (tmp_path / "short.toml").write_text("iterations = 3\nscales = 1\nseed = 5\n")
    (changed,) = read_configurations([str(tmp_path / "short.toml")], 64)
    with pytest.raises(UsageError, match=r"picture.png differs from this run in --iterations, --seed: choose another"):
        paint(Job(job.pair, changed, job.picture), Transfers())
    with pytest.raises(UsageError, match=r"picture.png differs from this run in the content image"):
        paint(Job(Pair(job.pair.style, job.pair.style), job.configuration, job.picture), Transfers())
    assert job.picture.read_bytes() == before


@pytest.mark.parametrize("record", [None, "{}", "{not json}"])
def test_a_picture_of_another_program_is_refused(job: Job, record: str | None) -> None:
    write_image(job.picture, read_image(job.pair.content).pixels, record=record)
    before = job.picture.read_bytes()
    with pytest.raises(UsageError, match=r"picture.png is no picture of this program"):
        paint(job, Transfers())
    assert job.picture.read_bytes() == before


def test_an_unfinished_picture_is_made_again(job: Job) -> None:
    paint(job, Transfers())
    record = json.loads(read_record(job.picture) or "") | {"stopped": True}
    write_image(job.picture, read_image(job.picture).pixels, record=json.dumps(record))
    paint(job, Transfers())
    assert json.loads(read_record(job.picture) or "")["stopped"] is False
