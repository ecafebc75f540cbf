"""The whole benchmark on two pairs and three programs, with the tiny VGG."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from bench.quality.benchmark import run_quality
from bench.quality.blind_key import Key
from bench.quality.tally import count_answers
from bench.results import QualityRun, load
from core.errors import UsageError
from core.image.reading import read_image
from core.image.resize import resize
from core.image.writing import write_image
from support.images import EXAMPLES
from support.quality_runs import Transfers
from support.tiny_vgg import use_tiny_vgg

PAIRS = ["cat--glass", "cat--night"]
SIZE = 80


def shrunk(source: Path, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with Image.open(source) as image:
        image.resize((96, 72)).save(path)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph, two paintings, two configurations, and a rival that delivers the photograph."""
    folder = tmp_path_factory.mktemp("inputs")
    shrunk(EXAMPLES / "content" / "cat.jpg", folder / "photos" / "cat.png")
    for name in ("glass", "night"):
        shrunk(EXAMPLES / "style" / f"{name}.jpg", folder / "paintings" / f"{name}.png")
        photograph = read_image(folder / "photos" / "cat.png").pixels
        write_image(folder / "rival" / f"cat--{name}.png", resize(photograph, (SIZE, SIZE * 3 // 4)))
    for name, evaluations in (("short", 1), ("long", 4)):
        (folder / f"{name}.toml").write_text(f"iterations = {evaluations}\nscales = 1\n")
    return folder


@pytest.mark.parametrize("name", ["sheets", "blind"])
def test_run_quality_refuses_inputs_that_its_sheets_would_replace(name: str, inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    shrunk(inputs / "photos" / "cat.png", tmp_path / name / "cat.png")
    before = (tmp_path / name / "cat.png").read_bytes()
    with pytest.raises(UsageError, match=r"refusing to overwrite .*cat\.png, an input in the folder of the results"):
        run_quality(tmp_path / name, inputs / "paintings", tmp_path, size=SIZE, transfer=Transfers())
    assert (tmp_path / name / "cat.png").read_bytes() == before


@pytest.fixture(scope="module")
def run_in(inputs: Path) -> Callable[..., QualityRun]:
    def run(folder: Path, transfers: Transfers, **options: object) -> QualityRun:
        with use_tiny_vgg():
            return run_quality(
                inputs / "photos",
                inputs / "paintings",
                folder,
                configs=[str(inputs / "short.toml"), str(inputs / "long.toml")],
                rivals=[f"copy={inputs / 'rival'}"],
                size=SIZE,
                transfer=transfers,
                **options,  # type: ignore[arg-type]
            )

    return run


@pytest.fixture(scope="module")
def finished(run_in: Callable[..., QualityRun], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, QualityRun]:
    folder = tmp_path_factory.mktemp("quality") / "results"
    return folder, run_in(folder, Transfers())


def test_run_writes_pictures_sheets_and_results(finished: tuple[Path, QualityRun]) -> None:
    folder, run = finished
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))
    comparisons = ["short-vs-long", "short-vs-copy", "long-vs-copy"]
    expected = [
        f"pictures/{config}/{pair}.{it}" for config in ("short", "long") for pair in PAIRS for it in ("png", "json")
    ]
    expected += [f"blind/{comparison}/{pair}.png" for comparison in comparisons for pair in PAIRS]
    expected += [f"blind/keys/{comparison}.tsv" for comparison in comparisons]
    assert files == sorted([*expected, "sheets/cat.png", "quality.json"])
    assert load(folder / "quality.json").machine_name == run.machine_name


def test_results_have_measures_time_and_memory(finished: tuple[Path, QualityRun]) -> None:
    _, run = finished
    assert [(it.name, it.role) for it in run.programs] == [
        ("short", "configuration"),
        ("long", "configuration"),
        ("copy", "rival"),
        ("photograph", "control"),
        ("painting", "control"),
    ]
    by_place = {(it.program, it.style): it for it in run.pictures}
    assert len(by_place) == len(run.pictures) == 5 * len(PAIRS)
    for style in ("glass.png", "night.png"):
        photograph, painting, copy = (by_place[name, style] for name in ("photograph", "painting", "copy"))
        assert photograph.measures.structure == 0
        assert painting.measures.style == pytest.approx(0, abs=1e-6)
        assert copy.measures == photograph.measures
        assert (copy.seconds, copy.peak_memory_bytes) == (None, None)
        for name in ("short", "long"):
            picture = by_place[name, style]
            assert picture.seconds is not None
            assert picture.peak_memory_bytes == Transfers.USAGE.peak_memory_bytes
            assert picture.measures.structure > 0


def test_answers_to_the_sheets_give_the_preference_of_the_judge(
    finished: tuple[Path, QualityRun], tmp_path: Path
) -> None:
    """A judge who recognises the photograph, which is the picture of the rival, and always prefers it."""
    folder, _ = finished
    key = folder / "blind" / "keys" / "long-vs-copy.tsv"
    letters = {"A": "B", "B": "A"}
    lines = [f"{sheet}\t{letters[letter]}\n" for sheet, letter in Key.read(key).letters.items()]
    (tmp_path / "judge.tsv").write_text("".join(lines))
    tally = count_answers(key, [tmp_path / "judge.tsv"])
    assert (tally.programs, tally.majority.share, tally.majority.judged) == (("long", "copy"), 0, 2)


def test_a_second_run_makes_no_picture(finished: tuple[Path, QualityRun], run_in: Callable[..., QualityRun]) -> None:
    folder, first = finished
    transfers = Transfers()
    second = run_in(folder, transfers)
    assert transfers.options == []
    assert second.pictures == first.pictures


def test_a_missing_picture_is_made_again(
    run_in: Callable[..., QualityRun], finished: tuple[Path, QualityRun], inputs: Path
) -> None:
    folder, _ = finished
    picture = folder / "pictures" / "short" / "cat--night.png"
    picture.unlink()
    transfers = Transfers()
    lines: list[str] = []
    run_in(folder, transfers, on_progress=lines.append)
    assert [options[2] for options in transfers.options] == [f"--output={picture}"]
    assert lines[0] == f"1 of 1: {picture}"


def test_a_folder_of_other_files_is_refused(run_in: Callable[..., QualityRun], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="has files of another kind: choose a new folder"):
        run_in(tmp_path, Transfers())
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    (tmp_path / "quality.json").write_text(json.dumps({"kind": "quality"}))
    with pytest.raises(UsageError, match="is damaged"):
        run_in(tmp_path, Transfers())


@pytest.mark.parametrize("name", ["pictures/holiday.png", "pictures/short/cat--glass.json", "results/cat.png"])
def test_a_folder_is_not_taken_for_an_interrupted_run_by_the_names_in_it(
    name: str, run_in: Callable[..., QualityRun], inputs: Path, tmp_path: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    other = tmp_path / name
    other.parent.mkdir(exist_ok=True)
    other.write_bytes((inputs / "photos" / "cat.png").read_bytes())
    transfers = Transfers()
    with pytest.raises(UsageError, match="has files of another kind: choose a new folder"):
        run_in(tmp_path, transfers)
    assert transfers.options == []
    assert [path for path in tmp_path.rglob("*.*") if path.is_file()] == [other]


def test_an_interrupted_run_continues(
    finished: tuple[Path, QualityRun], run_in: Callable[..., QualityRun], tmp_path: Path
) -> None:
    shutil.copytree(finished[0] / "pictures", tmp_path / "pictures")
    (tmp_path / "pictures" / "long" / "cat--night.png").unlink()
    transfers = Transfers()
    run_in(tmp_path, transfers)
    assert len(transfers.options) == 1


def test_images_that_are_too_small_are_refused_before_the_first_picture(
    run_in: Callable[..., QualityRun], inputs: Path, tmp_path: Path
) -> None:
    transfers = Transfers()
    Image.new("RGB", (300, 3)).save(tmp_path / "strip.png")
    with pytest.raises(UsageError, match="VGG needs at least"):
        run_quality(inputs / "photos", tmp_path / "strip.png", tmp_path / "out", transfer=transfers)
    assert transfers.options == []
    assert not (tmp_path / "out").exists()
