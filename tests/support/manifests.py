"""A manifest for tests of what surrounds it."""

from core.artifacts.manifest import Manifest

MANIFEST = Manifest(
    kind="extractor",
    format="onnx",
    arch="vgg19",
    taps=("relu1_1", "relu4_2"),
    pooling="max",
    precision="fp32",
    weights={"source": "oxford", "sha256": "c347"},
    preprocessing="caffe",
    activation_scale=57.63,
    opset=18,
    inputs={"image": "float32 …"},
    outputs={"relu1_1": "float32 …", "relu4_2": "float32 …"},
    versions={"torch": "2.15"},
    parity={"features": {"relative_l2": 2.5e-7}},
)
