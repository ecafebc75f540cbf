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


def test_program_refuses_more_operations_than_an_extractor_has(exported: Exported, tmp_path: Path) -> None:
    path = change_program(exported, tmp_path / "bad.pt2", lambda graph: graph.update(nodes=graph["nodes"] * 10_000))
    assert refusal(path) == NOT_AN_EXTRACTOR


def test_program_refuses_a_padding_that_enlarges_the_image(exported: Exported, tmp_path: Path) -> None:
    def pad(graph: dict) -> None:
        node = next(node for node in graph["nodes"] if node["target"].endswith("conv2d.default"))
        next(entry for entry in node["inputs"] if entry["name"] == "padding")["arg"]["as_ints"] = [10**6, 10**6]

    assert refusal(change_program(exported, tmp_path / "bad.pt2", pad)) == NOT_AN_EXTRACTOR


def test_program_refuses_a_tensor_that_repeats_its_numbers(exported: Exported, tmp_path: Path) -> None:
    def repeat(name: str, content: bytes) -> bytes:
        if not name.endswith("model_weights_config.json"):
            return content
        listing = json.loads(content)
        meta = next(iter(listing["config"].values()))["tensor_meta"]
        meta["sizes"] = [{"as_int": 512} for _ in meta["sizes"]]
        meta["strides"] = [{"as_int": 0} for _ in meta["strides"]]
        return json.dumps(listing).encode()

    assert refusal(rewrite_archive(exported("pt2"), tmp_path / "bad.pt2", repeat)) == NOT_AN_EXTRACTOR


def test_program_refuses_a_file_that_is_not_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "bad.pt2"
    path.write_bytes(b"PK is not enough")
    assert refusal(path) == "FILE is damaged or incomplete: export it again"
