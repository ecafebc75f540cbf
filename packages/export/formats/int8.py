"""ONNX extractors with weights and activations of eight bits, for runtimes with fast integer convolutions."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from core.artifacts.quiet import without_log
from export.io_spec import IMAGE

Images = Iterable[NDArray[np.float32]]


def quantize(model: onnx.ModelProto, images: Images) -> onnx.ModelProto:
    """Return an extractor whose convolutions multiply integers: static quantisation by ONNX Runtime.

    Weights are signed with one scale per channel. They use seven of the eight bits: CPUs with AVX2 but without VNNI add
    two products in 16 bits, which eight bits would exceed. Activations are unsigned with one scale per tensor, from the
    range of their values for `images`, (N, 3, H, W) in [0, 1]. Inputs and outputs are still float32.
    """
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._images: Iterator[NDArray[np.float32]] = iter(images)

        def get_next(self) -> Any:
            image = next(self._images, None)
            return None if image is None else {IMAGE: image}

    with tempfile.TemporaryDirectory() as folder, without_log():
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        quantization.quantize_static(
            source,
            target,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        return onnx.load(target)
