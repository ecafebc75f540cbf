"""Export of the feature extractor, in every format and precision."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import nn

from core.artifacts.manifest import Format, Manifest, Precision
from core.errors import UsageError
from core.network.architecture import Pooling
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import Weights
from export.formats import Writer
from export.formats.aoti import check_compiler, compile_program
from export.formats.half import HalfExtractor
from export.formats.int8 import quantize
from export.formats.onnx_graph import finish, write_model
from export.formats.palette import is_palettized
from export.formats.pt2 import trace_program, write_program
from export.formats.torchscript import script
from export.formats.tuple_outputs import TupleExtractor
from export.graph.model import InputValues, build_model
from export.graph.network import GraphNetwork
from export.io_spec import Inputs, TensorSpec, extractor_inputs, extractor_outputs, flatten, with_lengths
from export.manifests import new_manifest
from export.options import ExportOptions, format_spec
from export.verify.extractor import synthetic_image, verify_extractor
from export.verify.onnx_checker import check_onnx
from export.verify.parity import ParityReport
from export.verify.writing import write_verified

CALIBRATION_SIDES = (64, 80, 96, 112)
"""Heights of the images that determine the ranges of int8 activations; others are compared afterwards."""


def export_extractor(
    path: Path,
    weights: Weights,
    taps: Sequence[str],
    *,
    format: Format,
    pooling: Pooling = "max",
    precision: Precision = "fp32",
    options: ExportOptions | None = None,
    checksum: bool = True,
) -> Manifest:
    """Write the extractor for `taps` to `path` and return its manifest.

    The file is written only if the artifact matches eager PyTorch. The artifact maps an image (N, 3, H, W), float32 RGB
    in [0, 1], H and W at least `MIN_SIDE` of `core.network.architecture`, to the features at the taps, float32, by
    layer name. `options` may fix N, H and W.

    Raises:
        UsageError: A layer or the pooling does not exist, the weights lack a layer, or the format does not support an
            option.
        StyleTransferError: The artifact exceeds a tolerance or cannot be written; `path` is unchanged.
    """
    options = options or ExportOptions()
    format_spec("extractor", format).check(options, precision)
    eager = load_vgg_features(weights, taps, pooling=pooling)
    inputs = with_lengths(extractor_inputs(), options.lengths)
    outputs = [spec.with_lengths(options.lengths) for spec in extractor_outputs(eager.arch, eager.taps)]
    write: Writer
    palette = False
    if format == "onnx":
        model = _onnx_model(eager, weights, inputs, outputs, precision, options)
        palette, write = is_palettized(model), partial(write_model, model)
    else:
        (image,) = flatten(inputs)
        write = _convert(_module(eager, weights, precision, options), format, image)
    manifest = new_manifest(
        weights,
        kind="extractor",
        format=format,
        taps=eager.taps,
        pooling=pooling,
        precision=precision,
        options=options,
        palette=palette,
        inputs=flatten(inputs),
        outputs=outputs,
    )

    def verify(written: Path) -> ParityReport:
        return _verify_written(written, eager, format)

    return write_verified(path, manifest, write, verify, checksum=checksum)


def _module(eager: VGGFeatures, weights: Weights, precision: Precision, options: ExportOptions) -> nn.Module:
    """Return the module to convert."""
    module: nn.Module = eager
    if precision == "fp16":
        module = HalfExtractor(eager, weights.preprocessing.activation_scale)
    return TupleExtractor(module) if options.outputs == "tuple" else module


def _convert(module: nn.Module, format: Format, image: TensorSpec) -> Writer:
    if format == "torchscript":
        return script(module)
    if format == "aoti":
        check_compiler()
    program = trace_program(module, image)
    return write_program(program) if format == "pt2" else compile_program(program)


def _onnx_model(
    eager: VGGFeatures,
    weights: Weights,
    inputs: Inputs,
    outputs: Sequence[TensorSpec],
    precision: Precision,
    options: ExportOptions,
) -> onnx.ModelProto:
    if precision == "int8" and options.palette:
        raise UsageError(
            "--palette is given with --precision int8, whose weights are bytes already: remove one of them"
        )
    network = GraphNetwork(eager, half_scale=weights.preprocessing.activation_scale if precision == "fp16" else None)
    values = InputValues(inputs)
    features = network.features(**values.arguments)
    model = build_model(values.by_name, {tap: features[tap] for tap in eager.taps}, network.initializers)
    if precision == "int8":
        model = quantize(model, _calibration_images(options.lengths))
    return finish(model, inputs, outputs, options, palette=False)


def _calibration_images(lengths: Mapping[str, int]) -> Iterator[NDArray[np.float32]]:
    for seed, side in enumerate(CALIBRATION_SIDES):
        height, width = lengths.get("height", side), lengths.get("width", side)
        yield synthetic_image((lengths.get("batch", 1), 3, height, width), seed=seed).numpy()


def _verify_written(path: Path, eager: VGGFeatures, format: Format) -> ParityReport:
    if format == "onnx":
        check_onnx(path)
    return verify_extractor(path, eager, trusted=True)  # written by this process, so safe to execute
