"""Content structure: which places of an image resemble each other, whatever their colours and texture.

After the content feature structural distance (CFSD) of Chung et al., Style Injection in Diffusion (CVPR 2024), and the
self-similarity of Kolkin et al., Style Transfer by Relaxed Optimal Transport and Self-Similarity (CVPR 2019).
"""

import torch
from torch import Tensor


def self_similarity(features: Tensor) -> Tensor:
    """Return the cosine similarity (N, N) of the features (1, C, H, W) at each two of the N = H·W positions.

    The mean over the positions is subtracted first: it describes the image as a whole, and would make all positions
    similar.
    """
    vectors = features[0].flatten(1).double()
    unit = torch.nn.functional.normalize(vectors - vectors.mean(1, keepdim=True), dim=0)
    return unit.T @ unit


def structure_difference(similarity: Tensor, other: Tensor) -> float:
    """Return the mean absolute difference of two self-similarities (N, N), in [0, 2].

    Chung et al. compare the softmax of each row by the Kullback-Leibler divergence, and Kolkin et al. divide each row
    by its sum; cosines need neither, because their range is the same for every image.
    """
    return float((similarity - other).abs().mean())
