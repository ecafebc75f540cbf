"""3x3 convolutions with 16 multiplications for every 4 values, in place of 36: Winograd's F(2x2, 3x3).

After Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks* (arXiv 1509.09308), section 4.1.
"""

import torch
from torch import Tensor

LEAST_CHANNELS = 256
"""With fewer of them the additions, which take time too, are not made up for."""

AT_ONCE = 2**22
"""About how many transformed values are computed at a time; more would not stay in the processor's caches."""

_OF_KERNELS = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))


def is_faster(weight: Tensor, dtype: torch.dtype) -> bool:
    """Whether a convolution with this `weight`, (C', C, 3, 3), takes less time in this way.

    In bfloat16 it needs instructions for that, but with AMX products take less time than reaching their factors.
    """
    if not weight.is_cpu or min(weight.shape[:2]) < LEAST_CHANNELS:
        return False
    if dtype == torch.bfloat16:
        return torch.cpu._is_avx512_bf16_supported() and not torch.cpu._is_amx_tile_supported()
    return dtype == torch.float32


class WinogradConvolution:
    """A convolution of stride 1, its input padded with one row and column of zeros at every side."""

    def __init__(self, weight: Tensor, dtype: torch.dtype) -> None:
        """The kernels of `weight`, (C', C, 3, 3), are transformed and then rounded to `dtype`."""
        transform = torch.tensor(_OF_KERNELS, dtype=torch.float64, device=weight.device)
        kernels = torch.einsum("ya,xb,oiab->yxio", transform, transform, weight.detach().double())
        self._kernels = kernels.flatten(0, 1).to(dtype, memory_format=torch.contiguous_format)

    def __call__(self, features: Tensor, bias: Tensor | None = None, *, rectified: bool = False) -> Tensor:
        """Features (N, C, H, W) to (N, C', H, W), in channels_last; `rectified`, a ReLU follows."""
        number, channels, height, width = features.shape
        down, across = -(-height // 2), -(-width // 2)
        output = features.new_empty(number, down, 2, across, 2, self._kernels.shape[2])
        step = max(1, AT_ONCE // (16 * across * channels))
        for picture, tiles in zip(features.permute(0, 2, 3, 1), output, strict=True):
            for top in range(0, down, step):
                self._convolve(picture, top, tiles[top : top + step], bias)
                if rectified:
                    tiles[top : top + step].relu_()
        whole = output.view(number, 2 * down, 2 * across, -1)[:, :height, :width]
        return whole.contiguous().permute(0, 3, 1, 2)

    def _convolve(self, picture: Tensor, top: int, tiles: Tensor, bias: Tensor | None) -> None:
        """Fill `tiles` of 2x2 values, (rows, 2, columns, 2, C'), those from row `top` on, from a picture (H, W, C)."""
        rows, _, columns, _, _ = tiles.shape
        even, odd = _padded_columns(picture, 2 * top - 1, 2 * (top + rows) + 1)
        across = picture.new_empty(4, 2 * rows + 2, columns, picture.shape[2])
        _transform(even[:, :-1], odd[:, :-1], even[:, 1:], odd[:, 1:], out=across)
        both = picture.new_empty(4, 4, rows, columns, picture.shape[2])
        _transform(across[:, :-2:2], across[:, 1:-2:2], across[:, 2::2], across[:, 3::2], out=both)
        products = torch.bmm(both.view(16, rows * columns, -1), self._kernels).view(4, 4, rows, columns, -1)
        if bias is not None:
            products[1, 1] += bias  # it counts once in each of the four values
        halves = products.new_empty(2, *products.shape[1:])
        _transform_back(products, out=halves)
        _transform_back(halves.transpose(0, 1), out=tiles.permute(3, 1, 0, 2, 4))


def _padded_columns(picture: Tensor, first: int, last: int) -> tuple[Tensor, Tensor]:
    """The even and the odd columns of rows `first` to `last` of a picture (H, W, C), with zeros all around it."""
    rows, start = picture[max(first, 0) : last], max(-first, 0)
    padded = picture.new_zeros(2, last - first, -(-picture.shape[1] // 2) + 1, picture.shape[2])
    after, before = rows[:, 1::2], rows[:, ::2]  # zeros come first, and make odd columns of even ones
    padded[0, start : start + len(rows), 1 : 1 + after.shape[1]] = after
    padded[1, start : start + len(rows), : before.shape[1]] = before
    return padded[0], padded[1]


def _transform(first: Tensor, second: Tensor, third: Tensor, fourth: Tensor, *, out: Tensor) -> None:
    """What four neighbours along one axis become before the products, each of any shape: (4, ...)."""
    torch.sub(first, third, out=out[0])
    torch.add(second, third, out=out[1])
    torch.sub(third, second, out=out[2])
    torch.sub(second, fourth, out=out[3])


def _transform_back(products: Tensor, *, out: Tensor) -> None:
    """What products (4, ...) become along one axis: two neighbours, (2, ...)."""
    torch.add(products[0], products[1], out=out[0]).add_(products[2])
    torch.sub(products[1], products[2], out=out[1]).sub_(products[3])
