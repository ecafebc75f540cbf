"""The time-to-quality benchmark from end to end, with the tiny VGG and without pastiche."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.results import TimeToQualityRun
from bench.time_to_quality.benchmark import run_time_to_quality
from bench.time_to_quality.programs import BASELINES
from core.backends.torch_backend import TorchBackend
from core.errors import UsageError
from core.image.reading import read_image
from core.image.resize import resize
from core.image.writing import write_image
from support.backends import objective_of
from support.quality_tasks import SHORT, SIZE
from support.tiny_vgg import use_tiny_vgg

Finished = tuple[TimeToQualityRun, list[str], Path]


@pytest.fixture(scope="module")
def finished(content_path: Path, style_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """The result, the names of the reported points, and the folder with the images."""
    folder, reported = tmp_path_factory.mktemp("images"), []
    with use_tiny_vgg(), pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pastiche.pastiche", None)
        result = run_time_to_quality(
            content_path,
            style_path,
            size=SIZE[0],
            evaluations=3,
            toolkit_evaluations=SHORT.iterations,
            toolkit_scales=1,
            device="cpu",
            baselines=["adam", "pastiche", "seed"],
            folder=folder,
            on_point=lambda name, point: reported.append(name),
        )
        yield result, reported, folder


def test_result_has_machine_settings_and_points(finished: Finished) -> None:
    result, reported, _ = finished
    assert result.machine.name
    assert result.settings["size"] == list(SIZE)
    assert result.settings["config"]["scales"] == 1
    assert [program.name for program in result.programs] == ["toolkit", "pastiche", "firekind", "adam"]
    evaluations = {}
    for program in result.programs:
        seconds = [point.seconds for point in program.points]
        assert seconds == sorted(seconds)
        assert reported.count(program.name) == len(seconds)
        evaluations[program.name] = [point.evaluations for point in program.points]
    assert evaluations["toolkit"][-1] == SHORT.iterations
    assert evaluations["adam"] == [0, 1, 2, 3]
    assert [row.baseline for row in result.speedups] == ["firekind", "adam"]


def test_program_that_is_not_installed_is_skipped_with_the_reason(finished: Finished) -> None:
    programs = {program.name: program for program in finished[0].programs}
    assert "pip install pastiche" in str(programs["pastiche"].skipped)
    assert programs["pastiche"].points == ()
    assert programs["toolkit"].skipped is programs["adam"].skipped is None


def test_last_loss_is_that_of_the_image_in_the_folder(
    finished: Finished, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    result, _, folder = finished
    for name, path in (("content", content_path), ("style", style_path)):
        size = result.settings["size" if name == "content" else "style_size"]
        write_image(tmp_path / f"{name}.png", resize(read_image(path).pixels, tuple(size)))
    sources = (read_image(tmp_path / f"{name}.png").pixels for name in ("content", "style"))
    objective = objective_of(TorchBackend(SHORT), *sources)
    assert sorted(path.name for path in folder.iterdir()) == ["adam.png", "firekind.png", "toolkit.png"]
    for program in result.programs:
        if program.skipped is None:
            image = read_image(folder / f"{program.name}.png").pixels
            last = program.points[-1]
            assert objective(torch.from_numpy(image)).loss == pytest.approx(last.loss, rel=1e-5)
            assert sum(last.parts.values()) == pytest.approx(last.loss)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baselines": ["gatys"]}, f"'gatys', expected one or several of {', '.join(BASELINES)}"),
        ({"baselines": []}, "is none, expected one or several of"),
        ({"evaluations": 0}, "--evaluations is 0, expected at least 1"),
        ({"size": 8}, "--image-size is 8"),
        ({"toolkit_scales": -1}, "--scales is -1"),
        ({"folder": "cup.png"}, "is a file, not a folder"),
    ],
)
def test_invalid_options_are_refused_before_the_run(
    content_path: Path, style_path: Path, options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(content_path.parent)
    with pytest.raises(UsageError, match=message):
        run_time_to_quality(content_path, style_path, **options)
