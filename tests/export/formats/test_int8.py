"""Extractors in eight bits: integer weights and activations, and an error that is measured and bounded."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto

from core.artifacts.extractors import open_extractor
from core.artifacts.manifest import read_manifest
from core.network.vgg import load_vgg_features
from core.network.weights import Weights
from export.io_spec import TOLERANCES

Exported = Callable[..., Path]
TAPS = ("relu1_1", "relu2_1", "relu3_1")


def test_int8_stores_bytes_and_uses_standard_operators(exported: Exported) -> None:
    path = exported("onnx", "int8")
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert {entry.domain for entry in model.opset_import} == {""}
    types = {stored.name: stored.data_type for stored in model.graph.initializer}
    producers = {output: node for node in model.graph.node for output in node.output}
    kernels = [producers[node.input[1]] for node in model.graph.node if node.op_type == "Conv"]
    assert {kernel.op_type for kernel in kernels} == {"DequantizeLinear"}
    assert {types[kernel.input[0]] for kernel in kernels} == {TensorProto.INT8}
    values = {stored.name: onnx.numpy_helper.to_array(stored) for stored in model.graph.initializer}
    # Seven bits: on CPUs without VNNI the sum of two products with unsigned bytes would overflow 16 bits.
    assert max(np.abs(values[kernel.input[0]].astype(int)).max() for kernel in kernels) == 64
    assert path.stat().st_size < 0.3 * exported("onnx").stat().st_size


def test_int8_error_is_measured_and_bounded(exported: Exported, vgg19_weights: Weights) -> None:
    path = exported("onnx", "int8")
    manifest = read_manifest(path)
    bound = TOLERANCES["extractor", "int8"]["features"]
    assert manifest.precision == "int8"
    assert 1e-4 < manifest.parity["features"]["relative_l2"] < manifest.parity["features"]["limit"] == bound
    image = torch.rand((1, 3, 40, 33), generator=torch.Generator().manual_seed(0))
    exact = load_vgg_features(vgg19_weights, TAPS).double()(image.double())
    for tap, features in open_extractor(path, "cpu")(image.numpy()).items():
        assert np.linalg.norm(features - exact[tap].numpy()) < bound * float(exact[tap].norm())
