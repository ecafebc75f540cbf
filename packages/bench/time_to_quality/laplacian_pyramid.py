"""The Laplacian pyramid (Burt and Adelson 1983) of NNST, with bilinear interpolation."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import interpolate


def decompose(image: Tensor, levels: int) -> list[Tensor]:
    """Return the bands of an image (1, C, H, W), finest first, and the rest, reduced by 2 to the power `levels`."""
    bands = []
    for _ in range(levels):
        height, width = image.shape[2:]
        reduced = _resized(image, (max(1, height // 2), max(1, width // 2)))
        bands.append(image - _resized(reduced, (height, width)))
        image = reduced
    return [*bands, image]


def compose(bands: Sequence[Tensor]) -> Tensor:
    """Return the image (1, C, H, W) of some bands and the rest, as `decompose` returns them; without the finest bands
    it is smaller.
    """
    image = bands[-1]
    for band in reversed(bands[:-1]):
        image = band + _resized(image, (band.shape[2], band.shape[3]))
    return image


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    return interpolate(image, size, mode="bilinear", align_corners=False)
