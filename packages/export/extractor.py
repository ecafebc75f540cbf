"""Makes extractor artifacts, in every format and precision."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from core.artifacts.manifest import Format, Manifest, Precision
from core.network.vgg import Pooling, VGGFeatures, load_vgg_features
from core.network.weights import Weights
from export import io_spec as contract
from export.formats.half import HalfExtractor
from export.formats.onnx_graph import OPSET, trace_extractor
from export.formats.pt2 import export_program
from export.formats.torchscript import script
from export.verify.extractor import check_onnx, verify_extractor
from export.verify.parity import Report
from export.verify.publish import Writer, publish, versions


def export_extractor(
    path: Path,
    weights: Weights,
    taps: Sequence[str],
    *,
    format: Format,
    pooling: Pooling = "max",
    precision: Precision = "fp32",
    checksum: bool = True,
) -> Manifest:
    """Write the extractor for `taps` to `path`, once what was written has proven equal to eager PyTorch.

    The artifact takes an image (N, 3, H, W), float32 RGB in [0, 1], at any size from 16 x 16 on, and returns
    the features at the taps under their names, float32. Returns the manifest inside it.

    Raises:
        UsageError: There is no such layer or pooling, or the weights end too early.
        StyleTransferError: The artifact differs too much or cannot be written; nothing has changed at `path`.
    """
    eager = load_vgg_features(weights, taps, pooling=pooling)
    module: nn.Module = eager
    if precision == "fp16":
        scale = weights.preprocessing.activation_scale
        module = HalfExtractor(eager, scale, always=format == "onnx")
    manifest = _describe(eager, weights, format, pooling, precision)

    def verify(written: Path) -> Report:
        if format == "onnx":
            check_onnx(written)
        return verify_extractor(written, eager, trusted=True)

    return publish(path, manifest, _writer(module, manifest), verify, checksum=checksum)


def _writer(module: nn.Module, manifest: Manifest) -> Writer:
    if manifest.format == "torchscript":
        return script(module)
    if manifest.format == "pt2":
        return export_program(module)
    return trace_extractor(module, manifest.taps)


def _describe(eager: VGGFeatures, weights: Weights, format: Format, pooling: Pooling, precision: Precision) -> Manifest:
    onnx = format == "onnx"
    return Manifest(
        kind="extractor",
        format=format,
        arch=eager.arch,
        taps=eager.taps,
        pooling=pooling,
        precision=precision,
        weights={"source": weights.source, "sha256": weights.sha256},
        preprocessing=weights.preprocessing.name,
        activation_scale=weights.preprocessing.activation_scale,
        opset=OPSET if onnx else None,
        inputs=contract.inputs(),
        outputs=contract.outputs(eager.arch, eager.taps),
        versions=versions("torch", *(("onnx", "onnxscript", "onnxruntime") if onnx else ())),
    )
