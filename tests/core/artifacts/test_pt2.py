"""The interpreter of torch.export archives: exact features, and refusal of programs that no extractor has."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.artifacts.pt2 import Program
from core.errors import UsageError
from core.network.vgg import load_vgg_features
from support.archives import rewrite_archive

Exported = Callable[..., Path]
TAPS = ("relu1_1", "relu2_1", "relu3_1")


def test_program_equals_eager(exported: Exported, vgg19_weights) -> None:
    image = torch.rand((2, 3, 21, 18), generator=torch.Generator().manual_seed(0))
    expected = load_vgg_features(vgg19_weights, TAPS)(image)
    for features, tap in zip(Program(exported("pt2"))(image), TAPS, strict=True):
        assert torch.equal(features, expected[tap])


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        Program(path)
    return str(caught.value).replace(str(path), "FILE")


NOT_AN_EXTRACTOR = "FILE does not contain the program of an extractor: export it again"


def change_program(exported: Exported, target: Path, change: Callable[[dict], None]) -> Path:
    def change_member(name: str, content: bytes) -> bytes:
        if not name.endswith("models/model.json"):
            return content
        program = json.loads(content)
        change(program["graph_module"]["graph"])
        return json.dumps(program).encode()

    return rewrite_archive(exported("pt2"), target, change_member)


@pytest.mark.parametrize("operator", ["torch.os.system", "torch.ops.aten.from_file.default", "_operator.add"])
def test_program_refuses_other_operators(operator: str, exported: Exported, tmp_path: Path) -> None:
    path = change_program(exported, tmp_path / "bad.pt2", lambda graph: graph["nodes"][0].update(target=operator))
    assert refusal(path) == NOT_AN_EXTRACTOR


def test_program_refuses_other_argument_types(exported: Exported, tmp_path: Path) -> None:
    def add_string(graph: dict) -> None:
        graph["nodes"][0]["inputs"].append({"name": "text", "arg": {"as_string": "__import__('os')"}, "kind": 1})

    assert refusal(change_program(exported, tmp_path / "bad.pt2", add_string)) == NOT_AN_EXTRACTOR


def test_program_refuses_pickled_weights(exported: Exported, tmp_path: Path) -> None:
    path = rewrite_archive(
        exported("pt2"),
        tmp_path / "bad.pt2",
        lambda _, content: content.replace(b'"use_pickle": false', b'"use_pickle": true'),
    )
    assert refusal(path) == NOT_AN_EXTRACTOR


def test_program_refuses_a_file_that_is_not_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "bad.pt2"
    path.write_bytes(b"PK is not enough")
    assert refusal(path) == NOT_AN_EXTRACTOR
