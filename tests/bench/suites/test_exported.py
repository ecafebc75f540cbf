"""Artifacts for the workloads are exported once; their names select what is exported."""

from pathlib import Path
from typing import Any

import pytest

from bench.suites.cases import CONFIG, TAPS
from bench.suites.exported import exported_artifact

pytestmark = pytest.mark.usefixtures("tiny_vgg")


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The arguments of all exports, which write files without content."""
    made: list[tuple[Any, ...]] = []

    def record(path: Path, weights: Any, *arguments: Any, **options: Any) -> None:
        path.touch()
        made.append((path.name, weights.arch, *arguments, options))

    monkeypatch.setattr("export.extractor.export_extractor", record)
    monkeypatch.setattr("export.objective.export.export_objective", record)
    return made


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("objective.onnx", (CONFIG.content_layers, CONFIG.style_layers, {})),
        ("extractor.onnx", (TAPS, {"format": "onnx"})),
        ("extractor.pt", (TAPS, {"format": "torchscript"})),
    ],
)
def test_an_artifact_is_exported_on_first_use_only(
    name: str, arguments: tuple[Any, ...], exports: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    assert exported_artifact(tmp_path, name) == tmp_path / name
    assert exported_artifact(tmp_path, name) == tmp_path / name
    assert exports == [(name, CONFIG.arch, *arguments)]
