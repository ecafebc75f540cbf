"""3x3 convolutions by Winograd's algorithm F(2x2, 3x3): 16 multiplications instead of 36 for 4 output values.

Source: Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks* (arXiv 1509.09308), section 4.1. With the
transforms G of the kernel g, B of a 4x4 input tile d and A of the products, a 2x2 output tile is
A^T [(G g G^T) * (B^T d B)] A, where * is the elementwise product, summed over the input channels as 16 matrix products.
"""

import torch
from torch import Tensor

MIN_CHANNELS = 256
"""With fewer channels the additions of the transforms take more time than is saved by fewer multiplications."""

VALUES_PER_CHUNK = 2**22
"""Transformed values computed at a time, so that they stay in the caches of the CPU."""

KERNEL_TRANSFORM = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))
"""G, (4, 3)."""


def is_faster(weight: Tensor, dtype: torch.dtype) -> bool:
    """Return whether Winograd's algorithm is faster than a direct convolution with `weight`, (C', C, 3, 3).

    bfloat16 requires the AVX-512 instructions for it. With AMX memory limits the speed, not the multiplications.
    """
    if not weight.is_cpu or min(weight.shape[:2]) < MIN_CHANNELS:
        return False
    if dtype == torch.bfloat16:
        return torch.cpu._is_avx512_bf16_supported() and not torch.cpu._is_amx_tile_supported()
    return dtype == torch.float32


class WinogradConvolution:
    """A convolution with stride 1 and zero padding 1."""

    def __init__(self, weight: Tensor, dtype: torch.dtype) -> None:
        """Transform the kernels of `weight`, (C', C, 3, 3), in float64 and round them to `dtype`."""
        G = torch.tensor(KERNEL_TRANSFORM, dtype=torch.float64, device=weight.device)
        kernels = torch.einsum("ya,xb,oiab->yxio", G, G, weight.detach().double())
        self._kernels = kernels.flatten(0, 1).to(dtype, memory_format=torch.contiguous_format)

    def __call__(self, features: Tensor, bias: Tensor | None = None, *, relu: bool = False) -> Tensor:
        """Return the convolution of features (N, C, H, W), then a ReLU if `relu`: (N, C', H, W), channels_last."""
        number, channels, height, width = features.shape
        tile_rows, tile_columns = -(-height // 2), -(-width // 2)
        output = features.new_empty(number, tile_rows, 2, tile_columns, 2, self._kernels.shape[2])
        step = max(1, VALUES_PER_CHUNK // (16 * tile_columns * channels))
        for image, tiles in zip(features.permute(0, 2, 3, 1), output, strict=True):
            for first_row in range(0, tile_rows, step):
                chunk = tiles[first_row : first_row + step]
                self._convolve(image, first_row, chunk, bias)
                if relu:
                    chunk.relu_()
        cropped = output.view(number, 2 * tile_rows, 2 * tile_columns, -1)[:, :height, :width]
        return cropped.contiguous().permute(0, 3, 1, 2)

    def _convolve(self, image: Tensor, first_row: int, tiles: Tensor, bias: Tensor | None) -> None:
        """Write the output `tiles`, (rows, 2, columns, 2, C'), from tile row `first_row` on, of features (H, W, C)."""
        rows, _, columns, _, _ = tiles.shape
        even, odd = _padded_columns(image, 2 * first_row - 1, 2 * (first_row + rows) + 1)
        by_columns = image.new_empty(4, 2 * rows + 2, columns, image.shape[2])
        _input_transform(even[:, :-1], odd[:, :-1], even[:, 1:], odd[:, 1:], out=by_columns)
        transformed = image.new_empty(4, 4, rows, columns, image.shape[2])
        _input_transform(
            by_columns[:, :-2:2], by_columns[:, 1:-2:2], by_columns[:, 2::2], by_columns[:, 3::2], out=transformed
        )
        products = torch.bmm(transformed.view(16, rows * columns, -1), self._kernels).view(4, 4, rows, columns, -1)
        if bias is not None:
            products[1, 1] += bias  # the output transform adds this product to each of the four values once
        half_transformed = products.new_empty(2, *products.shape[1:])
        _output_transform(products, out=half_transformed)
        _output_transform(half_transformed.transpose(0, 1), out=tiles.permute(3, 1, 0, 2, 4))


def _padded_columns(image: Tensor, first: int, last: int) -> tuple[Tensor, Tensor]:
    """Return even and odd columns of rows `first` to `last` of features (H, W, C), after zero padding on all sides."""
    rows, start = image[max(first, 0) : last], max(-first, 0)
    padded = image.new_zeros(2, last - first, -(-image.shape[1] // 2) + 1, image.shape[2])
    odd, even = rows[:, 1::2], rows[:, ::2]  # the padding on the left turns even columns into odd ones
    padded[0, start : start + len(rows), 1 : 1 + odd.shape[1]] = odd
    padded[1, start : start + len(rows), : even.shape[1]] = even
    return padded[0], padded[1]


def _input_transform(d0: Tensor, d1: Tensor, d2: Tensor, d3: Tensor, *, out: Tensor) -> None:
    """Compute B^T d along one axis for four neighbouring values d, of any shape: (4, ...)."""
    torch.sub(d0, d2, out=out[0])
    torch.add(d1, d2, out=out[1])
    torch.sub(d2, d1, out=out[2])
    torch.sub(d1, d3, out=out[3])


def _output_transform(products: Tensor, *, out: Tensor) -> None:
    """Compute A^T m along one axis for products m, (4, ...): two neighbouring values, (2, ...)."""
    torch.add(products[0], products[1], out=out[0]).add_(products[2])
    torch.sub(products[1], products[2], out=out[1]).sub_(products[3])
