"""Precisions in which the network computes: names, sizes in bytes, and dtypes. Importing it does not import torch."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

VALUE_BYTES = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2}
"""Bytes of one feature value, by precision. tf32 stores float32 and multiplies with 10 bits of mantissa."""

HALF_PRECISIONS = tuple(precision for precision, size in VALUE_BYTES.items() if size == 2)
"""Precisions whose values take two bytes."""


def torch_dtype(precision: str) -> "torch.dtype":
    """Return the dtype of features in `precision`, a key of `VALUE_BYTES`."""
    import torch

    return {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def is_half(dtype: "torch.dtype") -> bool:
    """Return whether a floating point dtype takes two bytes: bfloat16 or float16."""
    return dtype.itemsize == 2
