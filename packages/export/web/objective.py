"""The objective for a page: one file that also computes its own targets."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.artifacts.manifest import Manifest
from core.artifacts.onnx_session import open_session, run_session
from core.backends.onnx_backend import CONTENT, GRAM
from core.errors import StyleTransferError

OWN = "own/{}"
"""What the page's objective calls what it compares with a target: given the right picture, it is that target."""


def add_targets(objective: Path, path: Path, manifest: Manifest) -> None:
    """Write the artifact to `path` with one more output for each target: what the graph subtracts it from.

    At the right picture that is the target itself. So one file, with its weights once, does for a browser what
    an objective and an extractor do elsewhere.
    """
    import onnx

    model = onnx.load(objective)
    graph = model.graph
    shapes = {value.name: value.type for value in graph.input}
    for name in _targets(manifest):
        (difference,) = (node for node in graph.node if node.op_type == "Sub" and node.input[1] == name)
        graph.node.append(onnx.helper.make_node("Identity", [difference.input[0]], [OWN.format(name)]))
        graph.output.append(onnx.helper.make_value_info(OWN.format(name), shapes[name]))
    path.write_bytes(model.SerializeToString(deterministic=True))
    _check_targets(path, manifest)


def _targets(manifest: Manifest) -> list[str]:
    contents = [CONTENT.format(tap) for tap in manifest.content_taps]
    return contents + [GRAM.format(tap) for tap in manifest.style_taps]


def _check_targets(path: Path, manifest: Manifest) -> None:
    """A picture whose own targets are handed back to it must have no loss."""
    session, names = open_session(path, "cpu"), _targets(manifest)
    image = np.random.default_rng(0).random((1, 3, 48, 32), dtype=np.float32)
    heights = {"height": image.shape[2], "width": image.shape[3]}
    inputs: dict[str, Any] = {"image": image, "tv_weight": np.zeros(1, np.float32)}
    inputs["content_weights"] = np.ones(len(manifest.content_taps), np.float32)
    inputs["style_weights"] = np.ones(len(manifest.style_taps), np.float32)
    shapes = {value.name: value.shape for value in session.get_inputs()}
    for name in names:
        sides = [_side(side, heights) for side in shapes[name]]
        inputs[name] = np.zeros(sides, np.float32)
    outputs = ("loss", *(OWN.format(name) for name in names))
    first = run_session(session, outputs, inputs)
    inputs |= {name: first[OWN.format(name)] for name in names}
    loss = float(run_session(session, ("loss",), inputs)["loss"])
    if not loss <= 1e-9 * float(first["loss"]):
        raise StyleTransferError(
            f"a picture that is its own target has the loss {loss:g}, where 0 was expected: export the objective again"
        )


def _side(side: int | str, sides: Mapping[str, int]) -> int:
    """A side of an input, such as 512 or "height // 8"."""
    if isinstance(side, int):
        return side
    of, _, stride = side.partition(" // ")
    return sides[of] // int(stride or 1)
