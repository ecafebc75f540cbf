"""The terms of the objective, each a function of torch tensors that autograd can follow."""

from functools import cache, reduce
from operator import add

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from core.network.dtypes import is_half

CHUNK = 2**20
"""About how many values of a part of larger features are laid out anew at a time."""


def gram(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Inner products of the feature maps, divided by the number of positions: (N, C, H, W) to (N, C, C).

    Gatys et al. (arXiv 1508.06576, equation 3) leave the sum undivided; dividing makes pictures of any size
    comparable. With a `mask`, (1, 1, H, W) of mean 1, every position counts by its value there: the guided Gram
    matrix of Gatys et al., Controlling Perceptual Factors in Neural Style Transfer (arXiv 1611.07865).
    """
    products = [_products(features[:, :, rows], _rows_of(mask, rows)) for rows in _chunks(features)]
    return reduce(add, products) / (features.shape[2] * features.shape[3])


def gram_backward(gradient: Tensor, features: Tensor, pull: Tensor, mask: Tensor | None = None) -> None:
    """Add to the `gradient` of features, both (1, C, H, W), what follows from that of their `gram`, (1, C, C)."""
    shares = ((pull + pull.mT) / features[0, 0].numel())[0].to(features.dtype)
    for rows in _chunks(features):
        _add_products(gradient[:, :, rows], features[:, :, rows], shares, _rows_of(mask, rows))


def sum_of_squares(values: Tensor) -> Tensor:
    """The sum over all axes, one by one: a single long float32 sum loses digits, most of all in WebAssembly.

    Channels go first, for where they lie side by side it would take ten times as long to begin with another axis.
    """
    total = values.square()
    for _ in range(values.ndim):
        total = total.sum(min(1, total.ndim - 1))
    return total


def mean_square(difference: Tensor) -> Tensor:
    """The mean of the squares over all axes."""
    return sum_of_squares(difference) / difference.numel()


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of features (N, C, H, W): equation 1 of Gatys et al., as a mean."""
    return mean_square(_single(features) - target)


def content_backward(gradient: Tensor, features: Tensor, pull: Tensor, target: Tensor) -> None:
    """Add to the `gradient` of features, both (1, C, H, W), what follows from that of their `content_loss`, ()."""
    # Adding one type to another takes several times as long as converting it before.
    gradient += (_single(features) - target).mul_(2 / features.numel() * pull).to(gradient.dtype)


def style_loss(matrix: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference between two Gram matrices (N, C, C).

    Four times E_l of equation 4 of Gatys et al., whose 1/(4 N² M²) holds the division by positions.
    """
    return mean_square(matrix - target)


def total_variation(image: Tensor) -> Tensor:
    """Mean squared difference between neighbours, across and down, of an image (N, C, H, W) in [0, 1]."""
    across = image[..., :, 1:] - image[..., :, :-1]
    down = image[..., 1:, :] - image[..., :-1, :]
    return (sum_of_squares(across) + sum_of_squares(down)) / image.numel()


def moments(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Means over the positions of the features' products and of themselves: (N, C, H, W) to (N, C, C + 1).

    The Gram matrix, with one more column for the features alone. Unlike a covariance, both are plain means, so
    that those of the parts of a picture add up to those of the whole. A `mask` counts as in `gram`.
    """
    means = (_single(features) if mask is None else _single(features) * mask).mean((2, 3))
    return torch.cat([gram(features, mask), means.unsqueeze(2)], 2)


def moments_backward(gradient: Tensor, features: Tensor, pull: Tensor, mask: Tensor | None = None) -> None:
    """Add to the `gradient` of features, both (1, C, H, W), what follows from that of their `moments`."""
    gram_backward(gradient, features, pull[..., :-1], mask)
    of_means = pull[..., -1, None, None] / features[0, 0].numel()
    gradient += of_means if mask is None else of_means * mask


def wasserstein_target(target: Tensor) -> Tensor:
    """What `wasserstein_loss` compares with, from `moments` (N, C, C + 1): float64, of the same shape.

    The square root of the covariance, with the means as a last column. In float32 the rounding of its large
    eigenvalues would drown the small ones, and with them three digits of the gradient.
    """
    # Apple's MPS has neither float64 nor eigenvalues.
    mean, covariance = _mean_and_covariance(target.to("cpu" if target.is_mps else target.device, torch.float64))
    values, vectors = torch.linalg.eigh(covariance)
    root = (vectors * values.clamp_min(0).sqrt().unsqueeze(-2)) @ vectors.mT
    return torch.cat([root, mean.unsqueeze(2)], 2)


def wasserstein_loss(found: Tensor, target: Tensor) -> Tensor:
    """Squared 2-Wasserstein distance of two normal distributions, over the channels: a mean of per-channel terms.

    With the mean m and covariance S of `found`, which are `moments` (N, C, C + 1), and those of a
    `wasserstein_target`: |m - m'|² + tr(S + S' - 2 (S'^½ S S'^½)^½), after Vaccaro,
    https://github.com/VinceMarron/style_transfer.
    """
    mean, covariance = _mean_and_covariance(found.to(target))
    root, target_mean = target[..., :-1], target[..., -1]
    overlap = torch.linalg.eigvalsh(_regular(root @ covariance @ root)).clamp_min(0).sqrt().sum(-1)
    traces = torch.diagonal(covariance + root @ root, dim1=-2, dim2=-1).sum(-1)
    distance = (mean - target_mean).square().sum(-1) + traces - 2 * overlap
    mean_distance: Tensor = distance.mean() / mean.shape[1]
    return mean_distance.to(found)


def projections(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """The features as seen along fixed directions, as many as there are channels: (1, C, H, W) to (1, C, positions).

    With a `mask`, (1, 1, H, W), only the positions where it is at least half of its largest value count.
    """
    flat = _single(_flat(features))
    if mask is not None:
        flat = flat[..., _chosen(mask)]
    return directions(flat.shape[1]).to(flat) @ flat


def projections_backward(gradient: Tensor, features: Tensor, pull: Tensor, mask: Tensor | None = None) -> None:
    """Add to the `gradient` of features, both (1, C, H, W), what follows from that of their `projections`."""
    pulled = directions(features.shape[1]).to(pull).T @ pull
    if mask is not None:
        chosen = _chosen(mask)
        everywhere = pulled.new_zeros(*pulled.shape[:2], len(chosen))
        everywhere[..., chosen] = pulled
        pulled = everywhere
    gradient += pulled.reshape(gradient.shape)


@cache
def directions(channels: int) -> Tensor:
    """Orthonormal directions in the space of that many channels, always the same: (C, C).

    Heitz et al. draw new ones for every evaluation, as stochastic gradient descent can. L-BFGS needs one objective,
    and a whole basis leaves no direction out.
    """
    generator = torch.Generator().manual_seed(channels)
    basis: Tensor = torch.linalg.qr(torch.randn(channels, channels, generator=generator, dtype=torch.float64))[0]
    return basis


def sliced_wasserstein_loss(found: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of sorted `projections`: (1, C, n) against a sorted target (1, C, m).

    Where the numbers of positions differ, the target's quantiles are interpolated. Heitz et al., A Sliced Wasserstein
    Loss for Neural Texture Synthesis, CVPR 2021 (arXiv 2006.07229).
    """
    if found.shape[2] != target.shape[2]:
        target = interpolate(target, size=found.shape[2], mode="linear", align_corners=True)
    return mean_square(found.sort(2).values - target)


def _products(features: Tensor, mask: Tensor | None) -> Tensor:
    """Sums over all positions of the products of features (N, C, H, W), each counted by a mask: (N, C, C)."""
    flat = _flat(features)
    counted = flat if mask is None else flat * mask.flatten(2).to(flat)
    # In half precision a product of two plain matrices is several times as fast as one of batches.
    return (counted[0] @ flat[0].T).float().unsqueeze(0) if is_half(flat.dtype) else counted @ flat.mT


def _add_products(gradient: Tensor, features: Tensor, shares: Tensor, mask: Tensor | None) -> None:
    """Add to the `gradient` features, both (1, C, H, W), in shares (C, C), each position counted by a mask."""
    flat = _flat(features)[0]
    if mask is not None:
        flat = flat * mask.flatten().to(flat)
    onto = _flat(gradient)[0]
    if onto.data_ptr() != gradient.data_ptr():  # a part of a larger one, which cannot be seen flat
        gradient += (flat.T @ shares).T.reshape(gradient.shape)
    elif features.is_contiguous():
        onto.addmm_(shares, flat)
    else:
        onto.T.addmm_(flat.T, shares)


def _chunks(features: Tensor) -> list[slice]:
    """Rows of features (N, C, H, W): all at once, or, of a part of larger ones that must be laid out anew, a few."""
    height = features.shape[2]
    if features.is_contiguous() or features.is_contiguous(memory_format=torch.channels_last):
        return [slice(0, height)]
    step = max(1, height * CHUNK // features.numel())
    return [slice(start, start + step) for start in range(0, height, step)]


def _rows_of(mask: Tensor | None, rows: slice) -> Tensor | None:
    return None if mask is None else mask[:, :, rows]


def _chosen(mask: Tensor) -> Tensor:
    """Which positions count, of a mask (1, 1, H, W): (positions)."""
    return (mask >= mask.max() / 2).flatten()


def _flat(features: Tensor) -> Tensor:
    """(N, C, H, W) as (N, C, positions): a view in channels_last too."""
    return features.flatten(2) if features.is_contiguous() else features.permute(0, 2, 3, 1).flatten(1, 2).mT


def _single(features: Tensor) -> Tensor:
    """Half precision as float32; the rest as it is."""
    return features.float() if is_half(features.dtype) else features


def _mean_and_covariance(found: Tensor) -> tuple[Tensor, Tensor]:
    """(N, C) and (N, C, C) from `moments` (N, C, C + 1)."""
    products, mean = found[..., :-1], found[..., -1]
    return mean, products - mean.unsqueeze(2) * mean.unsqueeze(1)


def _regular(matrix: Tensor) -> Tensor:
    """`matrix` (N, C, C), made symmetric and moved away from singular, where the root has no gradient."""
    size = torch.diagonal(matrix, dim1=-2, dim2=-1).mean(-1)[:, None, None]
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    return (matrix + matrix.mT) / 2 + 1e-5 * size * identity
