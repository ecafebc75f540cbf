"""Damaged copies of every kind of file are read, or refused in one sentence, with little memory.

The copies are the same in every run; `--long` tries new ones, some hundred of each file. A failure names the file and
the seed of its copy.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tifffile
import torch
from onnx import helper, numpy_helper
from PIL import Image
from safetensors.torch import save_file

from core import Checkpoint, TransferConfig, stylize
from core.artifacts.manifest import Manifest, metadata_props
from core.image.writing import write_image
from core.network.weights import load_weights
from core.runs.record import record_for_embedding, write_record
from export.extractor import export_extractor
from support import reading_worker
from support.image_files import png_16_bit, smooth_pixels
from support.tiny_vgg import use_tiny_vgg
from support.weight_files import write_keras, write_onnx


def pictures(folder: Path) -> None:
    samples = np.rint(smooth_pixels()[0].transpose(1, 2, 0) * 65535).astype(np.uint16)
    image = Image.fromarray((samples >> 8).astype(np.uint8))
    write_image(folder / "a.png", smooth_pixels(), record='{"config": {"seed": 5}}')
    (folder / "16.png").write_bytes(png_16_bit(samples).read())
    image.convert("P").save(folder / "palette.png")
    write_image(folder / "a.jpg", smooth_pixels(), record='{"config": {"seed": 5}}')
    image.convert("CMYK").save(folder / "progressive.jpg", progressive=True)
    image.save(folder / "a.webp", lossless=True)
    image.save(folder / "lossy.webp")
    image.save(folder / "a.bmp")
    image.save(folder / "a.gif")
    write_image(folder / "16.tif", smooth_pixels(), bit_depth=16, record='{"config": {"seed": 5}}')
    for compression in ("tiff_lzw", "jpeg", "group4"):
        image.convert("1" if compression == "group4" else "RGB").save(
            folder / f"{compression}.tif", compression=compression
        )
    tifffile.imwrite(folder / "planes.tif", samples.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    tifffile.imwrite(folder / "float.tif", smooth_pixels()[0, 0], tile=(16, 16), compression="zlib")


def artifacts(folder: Path) -> None:
    with use_tiny_vgg():
        weights = load_weights("vgg19")
        for name in ("a.pt", "a.pt2"):
            format = "torchscript" if name == "a.pt" else "pt2"
            export_extractor(folder / name, weights, ("relu1_1", "relu2_1"), format=format, checksum=False)
    state = weights.state
    manifest = Manifest(
        kind="extractor", format="onnx", arch="vgg19", taps=("relu1_1",), pooling="max", precision="fp32",
        weights={"source": "oxford", "sha256": weights.sha256}, preprocessing="caffe", activation_scale=57.6,
        inputs={"image": ""}, outputs={"relu1_1": ""},
    )  # fmt: skip
    tensors = [numpy_helper.from_array(state[f"conv1_1.{key}"].numpy(), key) for key in ("weight", "bias")]
    nodes = [
        helper.make_node("Conv", ["image", "weight", "bias"], ["conv1_1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv1_1"], ["relu1_1"]),
    ]
    image, features = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, None, None, None])
        for name in ("image", "relu1_1")
    )
    graph = helper.make_graph(nodes, "graph", [image], [features], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, metadata_props(manifest))
    onnx.save(model, folder / "a.onnx")


def configurations(folder: Path) -> None:
    with use_tiny_vgg():
        config = TransferConfig(image_size=32, iterations=2, scales=1, device="cpu")
        write_image(folder / "content.png", smooth_pixels())
        result = stylize(folder / "content.png", folder / "content.png", config)
    write_record(folder / "a.json", result.record)
    write_image(folder / "record.png", smooth_pixels(), record=record_for_embedding(result.record))
    (folder / "a.toml").write_text(
        'content = "content.png"\nstyle-weight = [1.0, 0.5]\nstyle-layers = "relu1_1,relu2_1"\npreset = "johnson"\n'
        'region = "content.png=1"\n[style]\n"content.png" = 0.7\n'
    )
    (folder / "content.png").unlink()


def checkpoints(folder: Path) -> None:
    with use_tiny_vgg():
        for optimizer in ("lbfgs", "adam"):
            config = TransferConfig(image_size=32, iterations=4, scales=1, device="cpu", optimizer=optimizer)
            stylize(np.full((32, 32, 3), 0.5), np.eye(32), config, checkpoint=Checkpoint(folder / optimizer, every=0))


def weights(folder: Path) -> None:
    with use_tiny_vgg():
        state = dict(list(load_weights("vgg19").state.items())[:6])
    save_file(state, folder / "a.safetensors", {"preprocessing": "caffe"})
    torch.save(state, folder / "a.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    write_onnx(folder / "a.onnx", state)
    write_keras(folder / "a.h5", state)


KINDS: dict[str, Callable[[Path], None]] = {
    "picture": pictures,
    "artifact": artifacts,
    "config": configurations,
    "checkpoint": checkpoints,
    "weights": weights,
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory is measured on Linux only")
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_copies_are_read_or_refused(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    long = request.config.getoption("--long")
    originals, scratch = tmp_path / "originals", tmp_path / "scratch"
    for folder in (originals, scratch):
        folder.mkdir()
    KINDS[kind](originals)
    first = secrets.randbelow(10**9) if long else 0
    lines = read_copies(kind, 300 if long else 12, first, sorted(originals.iterdir()), scratch)
    assert not [line for line in lines if "failure" in line]
    totals = [line for line in lines if "read" in line]
    # The worker has read each file itself. Whether one of a few damaged copies is still readable is chance.
    assert [line["file"] for line in totals] == [path.name for path in sorted(originals.iterdir())]
    assert sum(line["refused"] for line in totals) > 0


def read_copies(kind: str, count: int, first: int, originals: list[Path], scratch: Path) -> list[dict[str, Any]]:
    """Read damaged copies in another process, and return the lines that it printed."""
    paths = os.pathsep.join([str(Path(reading_worker.__file__).parents[1]), *sys.path])
    ran = subprocess.run(
        [sys.executable, reading_worker.__file__, kind, str(count), str(first), *map(str, originals)],
        capture_output=True,
        text=True,
        check=False,
        cwd=scratch,
        env=os.environ | {"PYTHONPATH": paths},
    )
    lines = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    assert ran.returncode == 0, (lines[-1:], ran.stderr[-3000:])
    return lines
