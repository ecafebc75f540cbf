"""Bounds on the programs and tensors of an artifact, so that a file cannot request more memory than an extractor."""

import math
from collections.abc import Sequence

MAX_OPERATIONS = 500
"""Limit on the operations of a program; an extractor of all layers of VGG-19 has less than 200."""

MAX_INTEGER = 8
"""Limit on the integers of a program, such as strides and paddings; those of an extractor are less than 8."""

MAX_SIDE = 512
"""Limit on the sides of a tensor; the largest weight of VGG has (512, 512, 3, 3)."""


def is_small_integer(value: object) -> bool:
    """Return whether an argument of an operator is an integer that an extractor may have.

    A large padding would enlarge an image beyond the memory.
    """
    return isinstance(value, int) and abs(value) <= MAX_INTEGER


def check_view(size: Sequence[int], stride: Sequence[int], offset: int, stored: int) -> None:
    """Raise ValueError unless a tensor consists of distinct elements of its storage.

    A stride of 0 would let a few stored numbers become a tensor that fills the memory when it is copied.

    Args:
        size: Sides of the tensor.
        stride: Distances of neighbours along each side.
        offset: Position of the first element.
        stored: Number of elements of the storage.
    """
    if not (len(size) == len(stride) <= 4 and all(1 <= side <= MAX_SIDE for side in size)):
        raise ValueError(f"expected up to four sides of at most {MAX_SIDE}, found {size}")
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    if min(offset, *stride, 0) < 0 or last >= stored or math.prod(size) > stored:
        raise ValueError(f"a tensor {size} with strides {stride} is not in its storage of {stored} elements")
