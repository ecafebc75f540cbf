"""Run records: comparison, the names of older versions, and writing."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.config.transfer_config import TransferConfig
from core.runs.record import differences, record_for_embedding, upgraded, write_record

CONFIG = TransferConfig(image_size=99)
IMAGE = {"path": "/a.jpg", "sha256": "1", "size": [4, 3]}
RECORD: dict[str, Any] = {
    "config": CONFIG.to_dict(),
    "content": IMAGE,
    "styles": [{"images": [IMAGE], "weight": 1.0, "region": None, "crop": None}],
    "backend": {"name": "torch", "weights": {"source": "oxford", "sha256": "2"}},
    "losses": [{"loss": 3.0}],
}
OLD_RECORD = {
    **{name: RECORD[name] for name in ("config", "content", "losses")},
    "styles": [{"pictures": [IMAGE], "weight": 1.0, "region": None, "crop": None}],
    "engine": {"engine": "torch", "weights": {"source": "oxford", "sha256": "2"}},
}


def test_a_record_does_not_differ_from_itself() -> None:
    assert differences(CONFIG, RECORD, RECORD) == []


def test_paths_are_not_compared() -> None:
    assert differences(CONFIG, RECORD | {"content": IMAGE | {"path": "/b.jpg"}}, RECORD) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"content": IMAGE | {"sha256": "3"}}, "the content image"),
        ({"styles": []}, "the styles"),
        ({"files": {"init": {"path": "/i.png", "sha256": "4"}}}, "files of options"),
        ({"backend": RECORD["backend"] | {"name": "onnxruntime"}}, "the backend"),
        ({"backend": RECORD["backend"] | {"weights": {}}}, "the weights"),
    ],
)
def test_differences_are_named(change: dict[str, Any], found: str) -> None:
    assert differences(CONFIG, RECORD | change, RECORD) == [found]


def test_options_that_differ_are_named_by_their_flags() -> None:
    assert differences(CONFIG.with_options(iterations=3), RECORD, RECORD) == ["--iterations"]


def test_records_of_version_0_1_are_upgraded() -> None:
    assert upgraded(OLD_RECORD) == RECORD
    assert upgraded(RECORD) == RECORD
    assert differences(CONFIG, RECORD, OLD_RECORD) == []


def test_an_embedded_record_has_no_losses_and_no_folders() -> None:
    config = CONFIG.with_options(init="/home/someone/i.png", weights="w/vgg.pth", extractor="../e.pt")
    backend = {"name": "torch", "weights": {"source": "w/vgg.pth", "sha256": "2"}, "extractor": "../e.pt"}
    style = {"images": [IMAGE], "weight": 1.0, "region": IMAGE, "crop": None}
    record = RECORD | {"config": config.to_dict(), "backend": backend, "styles": [style]}
    embedded = json.loads(record_for_embedding(record))
    named = IMAGE | {"path": "a.jpg"}
    assert embedded == {
        "config": config.to_dict()
        | {"init": "i.png", "weights": "vgg.pth", "extractor": "e.pt"}
        | {"content_layers": list(config.content_layers), "style_layers": list(config.style_layers)},
        "content": named,
        "styles": [style | {"images": [named], "region": named}],
        "backend": {"name": "torch", "weights": {"source": "vgg.pth", "sha256": "2"}, "extractor": "e.pt"},
    }
    assert differences(config, record, embedded) == []
    assert differences(config.with_options(init="other.png"), record, embedded) == ["--init"]


def test_a_record_is_written_with_missing_directories(tmp_path: Path) -> None:
    write_record(tmp_path / "deep" / "run.json", RECORD)
    assert json.loads((tmp_path / "deep" / "run.json").read_text()) == RECORD
