"""The terms of the objective, each a function of torch tensors that autograd can follow."""

import torch
from torch import Tensor


def gram(features: Tensor) -> Tensor:
    """Inner products of the feature maps, divided by the number of positions: (N, C, H, W) to (N, C, C).

    Gatys et al. (arXiv 1508.06576, equation 3) leave the sum undivided; dividing makes pictures of any size
    comparable.
    """
    flat = features.flatten(2)
    return flat @ flat.mT / flat.shape[-1]


def sum_of_squares(values: Tensor) -> Tensor:
    """The sum over all axes, one by one: a single long float32 sum loses digits, most of all in WebAssembly."""
    total = values.square()
    for _ in range(values.ndim):
        total = total.sum(-1)
    return total


def mean_square(difference: Tensor) -> Tensor:
    """The mean of the squares over all axes."""
    return sum_of_squares(difference) / difference.numel()


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of features (N, C, H, W): equation 1 of Gatys et al., as a mean."""
    return mean_square(features - target)


def style_loss(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference between the Gram matrix of features (N, C, H, W) and a target (N, C, C).

    Four times E_l of equation 4 of Gatys et al., whose 1/(4 N² M²) holds the division by positions.
    """
    return mean_square(gram(features) - target)


def total_variation(image: Tensor) -> Tensor:
    """Mean squared difference between neighbours, across and down, of an image (N, C, H, W) in [0, 1]."""
    across = image[..., :, 1:] - image[..., :, :-1]
    down = image[..., 1:, :] - image[..., :-1, :]
    return (sum_of_squares(across) + sum_of_squares(down)) / image.numel()


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (N, C) and covariance (N, C, C) of the features (N, C, H, W) over the positions."""
    mean = features.mean((2, 3))
    return mean, gram(features) - mean.unsqueeze(2) * mean.unsqueeze(1)


def wasserstein_loss(features: Tensor, target: tuple[Tensor, Tensor]) -> Tensor:
    """Squared 2-Wasserstein distance of two normal distributions, over the channels: a mean of per-channel terms.

    The features (N, C, H, W) stand for the one with their `moments`, `target` holds the moments of the other:
    |m - m'|² + tr(S + S' - 2 (S'^½ S S'^½)^½), after Vaccaro, https://github.com/VinceMarron/style_transfer.
    """
    mean, covariance = moments(features)
    target_mean, target_covariance = target
    root = _square_root(target_covariance)
    overlap = torch.linalg.eigvalsh(_regular(root @ covariance @ root)).clamp_min(0).sqrt().sum(-1)
    traces = torch.diagonal(covariance + target_covariance, dim1=-2, dim2=-1).sum(-1)
    distance = (mean - target_mean).square().sum(-1) + traces - 2 * overlap
    mean_distance: Tensor = distance.mean() / features.shape[1]
    return mean_distance


def _square_root(matrix: Tensor) -> Tensor:
    """The square root of a symmetric matrix (N, C, C) without negative eigenvalues."""
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp_min(0).sqrt().unsqueeze(-2)) @ vectors.mT
    return root


def _regular(matrix: Tensor) -> Tensor:
    """`matrix` (N, C, C), made symmetric and moved away from singular, where the root has no gradient."""
    size = torch.diagonal(matrix, dim1=-2, dim2=-1).mean(-1)[:, None, None]
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    return (matrix + matrix.mT) / 2 + 1e-5 * size * identity
