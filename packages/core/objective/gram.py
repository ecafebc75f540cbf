"""The style loss of Gatys et al. (arXiv 1508.06576, equations 3 to 5): squared differences of Gram matrices."""

from functools import reduce
from operator import add

import torch
from torch import Tensor

from core.network.dtypes import is_half
from core.objective.reductions import flatten_positions, mean_square
from core.objective.style_loss import StyleLoss

MAX_COPIED_VALUES = 2**20
"""Approximate number of values that are copied at a time where a slice of features is not contiguous."""


class GramLoss(StyleLoss):
    """Mean squared difference of Gram matrices.

    The statistic and the target of a layer are Gram matrices (1, C, C). The loss is four times E_l of equation 4 of
    Gatys et al.: their factor 1/(4 N² M²) contains the division by the number of positions, which `gram` does.
    """

    def statistic(self, features: Tensor, mask: Tensor | None = None, target: Tensor | None = None) -> Tensor:
        """Return the Gram matrix (1, C, C) of features (1, C, H, W)."""
        return gram(features, mask)

    def loss(self, statistic: Tensor, target: Tensor) -> Tensor:
        """Return the mean squared difference of two Gram matrices (1, C, C)."""
        return mean_square(statistic - target)

    def backward(
        self,
        grad: Tensor,
        features: Tensor,
        grad_statistic: Tensor,
        mask: Tensor | None = None,
        target: Tensor | None = None,
    ) -> None:
        """Accumulate dL/dfeatures into `grad` (1, C, H, W), given dL/dgram (1, C, C)."""
        gram_backward(grad, features, grad_statistic, mask)


def gram(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the Gram matrices (N, C, C) of features (N, C, H, W), divided by the number of positions H·W.

    Gatys et al. (equation 3) do not divide. The division makes images of different sizes comparable. A `mask`
    (1, 1, H, W) with mean 1 weights every position: the guided Gram matrix of Gatys et al., Controlling Perceptual
    Factors in Neural Style Transfer (arXiv 1611.07865). The masks (R, 1, H, W) of R regions give R matrices. In half
    precision N and R are 1.
    """
    products = [_products(features[:, :, rows], _mask_rows(mask, rows)) for rows in _row_chunks(features)]
    return reduce(add, products) / (features.shape[2] * features.shape[3])


def gram_backward(grad: Tensor, features: Tensor, grad_gram: Tensor, mask: Tensor | None = None) -> None:
    """Backward of `gram`: accumulate dL/dfeatures into `grad` (1, C, H, W), given dL/dgram (1, C, C)."""
    matrix = ((grad_gram + grad_gram.mT) / features[0, 0].numel())[0].to(features.dtype)
    for rows in _row_chunks(features):
        _accumulate_products(grad[:, :, rows], features[:, :, rows], matrix, _mask_rows(mask, rows))


def _products(features: Tensor, mask: Tensor | None) -> Tensor:
    """Return the products of the channels of features (N, C, H, W), summed over the positions: (N, C, C)."""
    flat = flatten_positions(features)
    weighted = flat if mask is None else flat * mask.flatten(2).to(flat)
    if not is_half(flat.dtype):
        return weighted @ flat.mT
    # In half precision a product of two matrices is several times as fast as a batched product.
    return (weighted[0] @ flat[0].T).float().unsqueeze(0)


def _accumulate_products(grad: Tensor, features: Tensor, matrix: Tensor, mask: Tensor | None) -> None:
    """Add `matrix` (C, C) times the features (1, C, H, W), weighted by the mask, to `grad` (1, C, H, W)."""
    flat = flatten_positions(features)[0]
    if mask is not None:
        flat = flat * mask.flatten().to(flat)
    flat_grad = flatten_positions(grad)[0]
    if flat_grad.data_ptr() != grad.data_ptr():  # a slice of a larger tensor, of which there is no flat view
        grad += (flat.T @ matrix).T.reshape(grad.shape)
    elif features.is_contiguous():
        flat_grad.addmm_(matrix, flat)
    else:
        flat_grad.T.addmm_(flat.T, matrix)


def _row_chunks(features: Tensor) -> list[slice]:
    """Return the rows of features (N, C, H, W) to process at a time: all, or a few of a slice that must be copied."""
    height = features.shape[2]
    if features.is_contiguous() or features.is_contiguous(memory_format=torch.channels_last):
        return [slice(0, height)]
    step = max(1, height * MAX_COPIED_VALUES // features.numel())
    return [slice(start, start + step) for start in range(0, height, step)]


def _mask_rows(mask: Tensor | None, rows: slice) -> Tensor | None:
    return None if mask is None else mask[:, :, rows]
