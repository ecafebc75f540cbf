"""Manifests of new artifacts."""

import platform
from importlib.metadata import version

import torch

from core.network.weights import load_weights
from export.io_spec import extractor_inputs, extractor_outputs, flatten
from export.manifests import new_manifest
from export.options import ExportOptions


def test_new_manifest_records_origin_and_versions(tiny_vgg: None) -> None:
    weights = load_weights("vgg16", "torchvision")
    manifest = new_manifest(
        weights,
        kind="extractor",
        format="onnx",
        taps=("relu1_1",),
        pooling="average",
        precision="fp16",
        options=ExportOptions(size=(48, 64), batch=2),
        inputs=flatten(extractor_inputs()),
        outputs=extractor_outputs("vgg16", ["relu1_1"]),
    )
    assert (manifest.arch, manifest.pooling, manifest.precision, manifest.opset) == ("vgg16", "average", "fp16", 18)
    assert (manifest.size, manifest.batch, manifest.output_type) == ((48, 64), 2, None)
    assert manifest.license.startswith("BSD-3-Clause")
    assert manifest.weights == {"source": "torchvision", "sha256": weights.sha256}
    assert (manifest.preprocessing, manifest.activation_scale) == ("torchvision", 1.0)
    assert (list(manifest.inputs), list(manifest.outputs)) == (["image"], ["relu1_1"])
    assert manifest.versions["python"] == platform.python_version()
    assert manifest.versions["torch"] == torch.__version__.partition("+")[0]
    assert manifest.versions["spox"] == version("spox")
    assert "not installed" not in manifest.versions.values()
