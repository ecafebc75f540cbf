"""Constants of projected L-BFGS, shared by every implementation of it: NumPy and PyTorch, CUDA, JavaScript."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LBFGSConstants:
    """Constants of the line search, of the initial inverse Hessian and of the curvature condition.

    Attributes:
        initial_step_rms: Root mean square change of the image by the first step, and by the first step after the
            history was cleared, in units of the image range [0, 1]. A gradient step of unit length is often far too
            long.
        sufficient_decrease: Armijo constant c1 (Nocedal and Wright, section 3.1): a step s is accepted if
            f(x + s) <= f(x) + c1 * g^T s.
        min_shrinkage: Smallest factor on the step size after a rejected step.
        max_shrinkage: Largest factor on the step size after a rejected step.
        max_backtracks: Evaluations along one direction before the history is cleared.
        min_curvature: A pair (s, y) is stored if s^T y > min_curvature * y^T y.
        luminance_scale: Initial inverse Hessian along the luminance direction (1, 1, 1) of a pixel, relative to the
            directions of chrominance. The loss is more curved along luminance, so that a scaled identity is a poor
            initial inverse Hessian: on two pairs of images at 256 and 384 pixels a given loss is reached with 8 to
            20 % fewer evaluations.
        min_rms: Lower bound of the root mean square of a direction where a step size is divided by it. It avoids a
            division by 0; no result depends on its value.
        min_yth0y: Lower bound of y^T H0 y where gamma is divided by it, likewise.
    """

    initial_step_rms: float = 0.01
    sufficient_decrease: float = 1e-4
    min_shrinkage: float = 0.1
    max_shrinkage: float = 0.5
    max_backtracks: int = 8
    min_curvature: float = 1e-10
    luminance_scale: float = 0.25
    min_rms: float = 1e-30
    min_yth0y: float = 1e-300

    @property
    def luminance_damping(self) -> float:
        """Share of the sum over the three channels that the initial inverse Hessian subtracts from each of them."""
        return (1 - self.luminance_scale) / 3


LBFGS = LBFGSConstants()
"""The constants in use."""
