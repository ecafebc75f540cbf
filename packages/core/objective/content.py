"""The content loss: mean squared difference of features (Gatys et al., arXiv 1508.06576, equation 1)."""

from torch import Tensor

from core.objective.reductions import as_float32, mean_square


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared difference of features and target, both (N, C, H, W), as a scalar tensor.

    Gatys et al. halve the sum instead of dividing it by the number of values. The mean gives one weight the same
    meaning at every image size.
    """
    return mean_square(as_float32(features) - target)


def content_backward(grad: Tensor, features: Tensor, grad_loss: Tensor, target: Tensor) -> None:
    """Accumulate dL/dfeatures into `grad` (1, C, H, W), given dL/d(content loss) as a scalar tensor.

    `features` and `target` are (1, C, H, W).
    """
    # Adding tensors of different dtypes takes several times as long as converting first.
    grad += (as_float32(features) - target).mul_(2 / features.numel() * grad_loss).to(grad.dtype)
