"""The objective of a page: an exported objective that also computes its own targets."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.artifacts.content import content_sha256
from core.artifacts.manifest import Manifest, metadata_props
from core.artifacts.onnx_session import open_session, run_session
from core.backends.onnx_backend import CONTENT, STYLE
from core.errors import StyleTransferError

if TYPE_CHECKING:
    import onnx

STATISTICS = "statistics/{}"
"""Name of the output that computes a target, given the name of the input that takes it."""


def add_target_outputs(objective: Path, path: Path, manifest: Manifest) -> dict[str, dict[str, str]]:
    """Write the ONNX file `objective` to `path` with an additional output for each target.

    The graph compares a target with the same statistics of `image` (features for the content, Gram matrices or moments
    for the style), and the additional output returns these. A page runs it on the content and the style image to
    compute the targets, and so needs neither a second file nor a second copy of the weights.

    Returns:
        The name of the additional output by that of the target's input, for "content" and for "style".

    Raises:
        StyleTransferError: The graph does not subtract a target, or the loss of an image at its own targets is not 0.
    """
    import onnx

    targets = {
        "content": {name: STATISTICS.format(name) for name in map(CONTENT.format, manifest.content_taps)},
        "style": {
            name: STATISTICS.format(name)
            for name in (STYLE.format(manifest.style_loss, tap) for tap in manifest.style_taps)
        },
    }
    model = onnx.load(objective, load_external_data=False)
    graph = model.graph
    types = {value.name: value.type for value in graph.input}
    output_of = targets["content"] | targets["style"]
    for target, output in output_of.items():
        graph.node.append(onnx.helper.make_node("Concat", _compared(graph, target), [output], name=output, axis=-1))
        graph.output.append(onnx.helper.make_value_info(output, types[target]))
    outputs = {output: manifest.inputs[target] for target, output in output_of.items()}
    path.write_bytes(model.SerializeToString(deterministic=True))
    described = replace(manifest, outputs={**manifest.outputs, **outputs}, content_sha256=content_sha256(path))
    onnx.helper.set_model_props(model, metadata_props(described))
    path.write_bytes(model.SerializeToString(deterministic=True))
    _check_targets(path, manifest, output_of)
    return targets


def _compared(graph: "onnx.GraphProto", target: str) -> list[str]:
    """Return the values that the graph subtracts a target from, or its slices along the last axis."""
    slices = [node.output[0] for node in graph.node if node.op_type == "Slice" and node.input[0] == target]
    minuends = {node.input[1]: node.input[0] for node in graph.node if node.op_type == "Sub"}
    parts = slices or [target]
    if missing := [part for part in parts if part not in minuends]:
        raise StyleTransferError(
            f"the graph of the objective does not subtract {missing[0]}, so another program has changed it: export the "
            "objective again"
        )
    return [minuends[part] for part in parts]


def _check_targets(path: Path, manifest: Manifest, targets: Mapping[str, str]) -> None:
    """Check that the loss of a random image is 0 with the targets computed from that image."""
    session = open_session(path, "cpu")
    image = np.random.default_rng(0).random((1, 3, 48, 32), dtype=np.float32)
    sides = {"height": image.shape[2], "width": image.shape[3]}
    shapes = {value.name: value.shape for value in session.get_inputs()}
    inputs: dict[str, Any] = {
        "image": image,
        "content_weights": np.ones(len(manifest.content_taps), np.float32),
        "style_weights": np.ones(shapes["style_weights"], np.float32),
        "tv_weight": np.zeros(1, np.float32),
    }
    for name in targets:
        inputs[name] = np.zeros([_side_length(side, sides) for side in shapes[name]], np.float32)
    first = run_session(session, ("loss", *targets.values()), inputs)
    inputs |= {name: first[output] for name, output in targets.items()}
    loss = float(run_session(session, ("loss",), inputs)["loss"])
    if not loss <= 1e-9 * float(first["loss"]):
        raise StyleTransferError(
            f"the objective has loss {loss:g} at its own targets, expected 0: export the objective again"
        )


def _side_length(side: int | str, sides: Mapping[str, int]) -> int:
    """Evaluate a side of an input's shape, such as 512, "width" or "height // 8"."""
    if isinstance(side, int):
        return side
    name, _, divisor = side.partition(" // ")
    return sides[name] // int(divisor or 1)
