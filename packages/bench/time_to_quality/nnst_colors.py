"""The colour correction at the end of NNST (arXiv 2203.13215, section 3.4), in OkLab.

The lightness is that of the result. The chroma is that of the photograph, with the mean and covariance of the style
image, smoothed along the edges of the lightness.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

_TO_CONES = torch.tensor(
    [[0.4121656120, 0.5362752080, 0.0514575653], [0.2118591070, 0.6807189584, 0.1074065790],
     [0.0883097947, 0.2818474174, 0.6302613616]]
)  # fmt: skip
_TO_LAB = torch.tensor(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip
"""OkLab (Ottosson 2020), applied to the encoded values of sRGB as NNST does."""

GREY = 6e-5
"""A style image whose covariances of chroma are all smaller counts as grey."""

REGULARIZATION = 1e-4
"""Added to the variances in every direction."""

SMOOTHING_STEPS, SHARPNESS = 5, 10.0
"""Passes of the bilateral filter of 3 x 3 pixels, and its decay with the difference of lightness."""


def correct_colors(content: Tensor, style: Tensor, result: Tensor) -> Tensor:
    """Return `result` with the lightness that it has and the corrected chroma; all (1, 3, h, w), RGB in [0, 1]."""
    photograph, painting, lab = (_to_oklab(image.clamp(0, 1)) for image in (content, style, result))
    lab = _clamped_to_range(lab, painting)
    if _covariance(painting[:, 1:]).abs().max() < GREY:
        lab = _with_moments_of(painting, lab)
    else:
        chroma = _with_moments_of(painting[:, 1:], photograph[:, 1:])
        lab = torch.cat([lab[:, :1], _smoothed(chroma, lab[:, :1])], 1)
    return _to_rgb(_clamped_to_range(lab, painting)).clamp(0, 1)


def _to_oklab(image: Tensor) -> Tensor:
    return _mixed(_TO_LAB, _mixed(_TO_CONES, image).pow(1 / 3))


def _to_rgb(lab: Tensor) -> Tensor:
    return _mixed(torch.linalg.inv(_TO_CONES), _mixed(torch.linalg.inv(_TO_LAB), lab).pow(3))


def _mixed(matrix: Tensor, image: Tensor) -> Tensor:
    return torch.einsum("ij,njhw->nihw", matrix.to(image), image)


def _clamped_to_range(image: Tensor, other: Tensor) -> Tensor:
    low, high = other.amin((2, 3), keepdim=True), other.amax((2, 3), keepdim=True)
    return torch.minimum(torch.maximum(image, low), high)


def _with_moments_of(target: Tensor, image: Tensor) -> Tensor:
    """Map an image (1, C, H, W) linearly to the mean and covariance of `target`: whitening, then colouring."""
    mean, wanted = image.mean((2, 3), keepdim=True), target.mean((2, 3), keepdim=True)
    transform = _power(_covariance(target), 0.5) @ _power(_covariance(image), -0.5)
    return _mixed(transform, image - mean) + wanted


def _covariance(image: Tensor) -> Tensor:
    return torch.cov(image[0].flatten(1), correction=0)


def _power(covariance: Tensor, exponent: float) -> Tensor:
    matrix = covariance.cpu().double()  # not every device has eigenvalues
    values, vectors = torch.linalg.eigh(matrix + REGULARIZATION * torch.eye(len(matrix)))
    power: Tensor = (vectors * values.pow(exponent)) @ vectors.T
    return power.to(covariance)


def _smoothed(chroma: Tensor, lightness: Tensor) -> Tensor:
    """Filter the chroma (1, 2, H, W) with weights that fall with the difference of lightness (1, 1, H, W)."""
    weights = [torch.exp(-SHARPNESS * (lightness - near).abs()) for near in _neighbors(lightness)]
    total = torch.stack(weights).sum(0)
    for _ in range(SMOOTHING_STEPS):
        products = [weight * near for weight, near in zip(weights, _neighbors(chroma), strict=True)]
        chroma = torch.stack(products).sum(0) / total
    return chroma


def _neighbors(image: Tensor) -> list[Tensor]:
    """Return the image, continued at the edges, shifted by each offset of a window of 3 x 3 pixels."""
    padded, (height, width) = pad(image, (1, 1, 1, 1), mode="replicate"), image.shape[2:]
    return [padded[:, :, row : row + height, column : column + width] for row in range(3) for column in range(3)]
