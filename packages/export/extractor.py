"""Export of the feature extractor, in every format and precision."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from core.artifacts.manifest import Format, Manifest, Precision
from core.network.architecture import Pooling
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import Weights
from export.formats import Writer
from export.formats.half import HalfExtractor
from export.formats.onnx_graph import trace_extractor
from export.formats.pt2 import export_program
from export.formats.torchscript import script
from export.io_spec import TensorSpec, extractor_inputs, extractor_outputs, flatten
from export.manifests import new_manifest
from export.verify.extractor import verify_extractor
from export.verify.onnx_checker import check_onnx
from export.verify.parity import ParityReport
from export.verify.writing import write_verified


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
    """Write the extractor for `taps` to `path` and return its manifest.

    The file is written only if the artifact matches eager PyTorch. The artifact maps an image (N, 3, H, W), float32 RGB
    in [0, 1], H and W at least 16, to the features at the taps, float32, by layer name.

    Raises:
        UsageError: A layer or the pooling does not exist, or the weights lack a layer.
        StyleTransferError: The artifact exceeds a tolerance or cannot be written; `path` is unchanged.
    """
    eager = load_vgg_features(weights, taps, pooling=pooling)
    outputs = extractor_outputs(eager.arch, eager.taps)
    manifest = new_manifest(
        weights,
        kind="extractor",
        format=format,
        taps=eager.taps,
        pooling=pooling,
        precision=precision,
        inputs=flatten(extractor_inputs()),
        outputs=outputs,
    )
    module: nn.Module = eager
    if precision == "fp16":
        activation_scale = weights.preprocessing.activation_scale
        # Other runtimes compute in float16 on every device.
        module = HalfExtractor(eager, activation_scale, always=format == "onnx")

    def verify(written: Path) -> ParityReport:
        return _verify_written(written, eager, format)

    return write_verified(path, manifest, _convert(module, format, outputs), verify, checksum=checksum)


def _convert(module: nn.Module, format: Format, outputs: Sequence[TensorSpec]) -> Writer:
    if format == "torchscript":
        return script(module)
    if format == "pt2":
        return export_program(module)
    return trace_extractor(module, outputs)


def _verify_written(path: Path, eager: VGGFeatures, format: Format) -> ParityReport:
    if format == "onnx":
        check_onnx(path)
    return verify_extractor(path, eager, trusted=True)  # written by this process, so safe to unpickle
