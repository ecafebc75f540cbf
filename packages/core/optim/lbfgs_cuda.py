"""Synchronisation-free L-BFGS for CUDA. Experimental: not yet run on a GPU.

On a GPU an evaluation takes about a millisecond. If the host waits for each loss to decide about the next step, the
GPU is idle in the meantime. Here every decision of the line search is a `torch.where`, so that the host only queues
evaluations, which on CUDA are replays of one CUDA graph, and reads the losses of earlier ones back asynchronously.

The method is that of `core.optim.lbfgs`.
"""

import logging
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import torch
from torch import Tensor

from core.arrays import Array
from core.optim.constants import LBFGS
from core.optim.curvature import color_channels
from core.optim.lbfgs import free_mask
from core.optim.types import Evaluation, Objective, Step, non_finite_error

QUEUED_EVALUATIONS = 4
"""Evaluations that are queued before the host waits for the oldest; each holds one more image in memory."""

WARM_UP_EVALUATIONS = 2
"""Evaluations before the CUDA graph is captured: in the first ones libraries choose kernels and allocate memory."""

PIXELS_PER_CHUNK = 2**17
"""Pixels of the pairs whose masked copies are in memory at a time."""


def lbfgs(
    objective: Objective,
    start: Array,
    *,
    evaluations: int,
    history: int = 20,
    queued_evaluations: int = QUEUED_EVALUATIONS,
) -> Iterator[Step]:
    """Minimise as `core.optim.lbfgs.lbfgs` does, without waiting for the device. Experimental.

    Args:
        objective: Returns loss and gradient of an image; the loss and its terms may be 0-d tensors.
        start: The initial image, (1, 3, H, W).
        evaluations: Total number of evaluations.
        history: Number of curvature pairs.
        queued_evaluations: Number of evaluations by which the steps are delayed.

    Yields:
        The initial image and every accepted step. A step has its own copy of the image, and no arrays from which the
        iteration could resume.

    Raises:
        StyleTransferError: The loss or the gradient at the initial image is not finite.
    """
    warn_experimental()
    state = LBFGSState(objective, start, history)
    first = state.read_back()
    state.require_finite()
    yield first.step()
    advance = _GraphedCallable(state.advance) if start.is_cuda else state.advance
    pending: deque[AsyncReadback] = deque()
    for _ in range(evaluations - 1):
        advance()
        pending.append(state.read_back())
        if len(pending) > queued_evaluations:
            oldest = pending.popleft()
            if oldest.accepted:
                yield oldest.step()
            if oldest.converged:
                return
    for readback in pending:
        if readback.accepted:
            yield readback.step()


@cache
def warn_experimental() -> None:
    """Log once in a process that this module is experimental."""
    logging.getLogger(__name__).warning("core.optim.lbfgs_cuda is experimental: not yet run on a GPU")


class AsyncReadback:
    """Result of an evaluation while it is copied to the host; reading a property waits for the copy."""

    def __init__(self, numbers: Tensor, image: Tensor, names: Sequence[str]) -> None:
        """Start the copy of `numbers`: accepted, converged, evaluations, loss, and the loss terms called `names`."""
        self._image, self._names = image.clone(), names
        self._numbers = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=numbers.is_cuda)
        self._numbers.copy_(numbers, non_blocking=True)
        self._copied = torch.cuda.Event() if numbers.is_cuda else None  # type: ignore[no-untyped-call]
        if self._copied is not None:
            self._copied.record()

    @property
    def accepted(self) -> bool:
        """Whether the step was accepted."""
        return bool(self._wait()[0])

    @property
    def converged(self) -> bool:
        """Whether no step size along the negative gradient was accepted."""
        return bool(self._wait()[1])

    def step(self) -> Step:
        """Return the state after the evaluation."""
        _, _, used, loss, *parts = self._wait()
        return Step(int(used), self._image, loss, dict(zip(self._names, parts, strict=True)))

    def _wait(self) -> list[float]:
        if self._copied is not None:
            self._copied.synchronize()
        numbers: list[float] = self._numbers.tolist()
        return numbers


class LBFGSState:
    """State of the iteration in device tensors that are updated in place.

    Attributes:
        image, gradient: The current image and its gradient.
        numbers: Its loss and loss terms, float64.
        S, Y: Curvature pairs, (history, values); unused rows are zero.
        next_slot: Row that the next pair overwrites.
        pairs: Number of pairs in use.
        backtracks: Rejected evaluations along the current direction.
        evaluations: Evaluations so far.
        accepted, converged: Outcome of the last evaluation.
        direction, step_size, candidate: Where the next evaluation takes place.
    """

    def __init__(self, objective: Objective, start: Array, history: int) -> None:
        """Evaluate at `start`, (1, 3, H, W), and choose the first direction."""
        self._objective, self._history = objective, history
        self.image = start.clamp(0, 1)
        first = objective(self.image)
        self._names = tuple(first.parts)
        self.gradient = first.gradient.clone()
        self.numbers = _loss_and_parts(first)
        self.S, self.Y = (start.new_zeros(history, start.numel()) for _ in range(2))
        self.next_slot, self.pairs, self.backtracks, self.evaluations = (
            torch.tensor(number, device=start.device) for number in (0, 0, 0, 1)
        )
        self.accepted, self.converged = (torch.tensor(value, device=start.device) for value in (True, False))
        self.direction, self.candidate = torch.empty_like(self.image), torch.empty_like(self.image)
        self.step_size = torch.zeros((), dtype=torch.float64, device=start.device)
        self._choose_candidate(self.accepted)

    def require_finite(self) -> None:
        """Wait for the evaluation at the initial image.

        Raises:
            StyleTransferError: The loss or the gradient is not finite.
        """
        if not bool(torch.isfinite(self.numbers[0]) & torch.isfinite(_sum_of_squares(self.gradient))):
            raise non_finite_error(float(self.numbers[0]))

    def read_back(self) -> AsyncReadback:
        """Start copying the outcome of the last evaluation to the host."""
        outcome = torch.stack([self.accepted, self.converged, self.evaluations])
        return AsyncReadback(torch.cat([outcome.double(), self.numbers]), self.image, self._names)

    @torch.no_grad()
    def advance(self) -> None:
        """Evaluate at the candidate, accept or reject it, and choose the next candidate; never synchronises."""
        new = self._objective(self.candidate)
        numbers, s = _loss_and_parts(new), self.candidate - self.image
        loss, slope = self.numbers[0], (self.gradient * s).sum().double()
        finite = torch.isfinite(numbers[0]) & torch.isfinite(_sum_of_squares(new.gradient))
        decreases = (numbers[0] < loss) & (numbers[0] <= loss + LBFGS.sufficient_decrease * slope)
        accepted = finite & decreases & ~self.converged
        shrinkage = _quadratic_interpolation_factor(loss, numbers[0], slope)

        self._add_pair(accepted, s, new.gradient - self.gradient)
        self.image.copy_(torch.where(accepted, self.candidate, self.image))
        self.gradient.copy_(torch.where(accepted, new.gradient, self.gradient))
        self.numbers.copy_(torch.where(accepted, numbers, self.numbers))
        self.accepted.copy_(accepted)
        self.evaluations.add_(1)

        self.backtracks.copy_(torch.where(accepted, 0, self.backtracks + 1))
        exhausted = self.backtracks >= LBFGS.max_backtracks
        self.converged.logical_or_(exhausted & (self.pairs == 0))
        clear = exhausted & (self.pairs > 0)
        self.pairs.mul_(~clear)
        self.backtracks.mul_(~clear)
        self.step_size.mul_(shrinkage)
        self._choose_candidate(accepted | clear)

    def _add_pair(self, accepted: Tensor, s: Tensor, y: Tensor) -> None:
        """Store the pair if the step was accepted and the curvature s^T y is positive."""
        stored = accepted & ((s * y).sum() > LBFGS.min_curvature * _sum_of_squares(y))
        slot = self.next_slot.view(1)
        for rows, row in ((self.S, s), (self.Y, y)):
            rows.index_copy_(0, slot, torch.where(stored, row.reshape(1, -1), rows.index_select(0, slot)))
        self.next_slot.add_(stored).remainder_(self._history)
        self.pairs.add_(stored).clamp_(max=self._history)

    def _choose_candidate(self, new_direction: Tensor) -> None:
        """Compute the next candidate, along a new direction if `new_direction`."""
        free = free_mask(self.image, self.gradient)
        direction = -self._inverse_hessian_product(self.gradient * free, free)
        self.direction.copy_(torch.where(new_direction, direction, self.direction))
        rms = (_sum_of_squares(self.direction) / self.direction.numel()).sqrt().double()
        first_size = torch.where(self.pairs > 0, 1.0, LBFGS.initial_step_rms / rms.clamp_min(LBFGS.min_rms))
        self.step_size.copy_(torch.where(new_direction, first_size, self.step_size))
        self.candidate.copy_((self.image + self.step_size.to(self.image) * self.direction).clamp(0, 1))

    def _inverse_hessian_product(self, gradient: Tensor, free: Tensor) -> Tensor:
        """Return P H P g, where P restricts to the free set and g, the gradient, is zero in the active set.

        Compact form (Byrd, Nocedal and Schnabel 1994, theorem 2.2) of the two-loop recursion, in two triangular
        systems: with R the upper triangle of S^T Y, D its diagonal, alpha = R^-1 S^T g and
        sigma = R^-T ((D + gamma Y^T H0 Y) alpha - gamma Y^T H0 g), H g = gamma H0 (g - Y alpha) + S sigma.
        """
        StY, YtH0Y, Stg, YtH0g = self._products_in_free_set(gradient, free)
        # Rows are sorted by age, oldest pair first; unused rows come before them.
        rows = torch.arange(self._history, device=gradient.device)
        by_age = (self.next_slot + rows).remainder(self._history)
        StY, YtH0Y = (matrix.index_select(0, by_age).index_select(1, by_age) for matrix in (StY, YtH0Y))
        sty = StY.diagonal()
        used = (rows >= self._history - self.pairs) & (sty > 0)
        both_used = used[:, None] & used
        R = torch.where(both_used, StY, 0).triu() + torch.diag(~used)
        YtH0Y, newest = torch.where(both_used, YtH0Y, 0), YtH0Y[-1, -1]
        gamma = torch.where(self.pairs > 0, sty[-1].abs() / newest.clamp_min(LBFGS.min_yth0y), 1.0)
        Stg, YtH0g = (torch.where(used, product.index_select(0, by_age), 0)[:, None] for product in (Stg, YtH0g))
        D = torch.where(used, sty, 0)[:, None]
        alpha = torch.linalg.solve_triangular(R, Stg, upper=True)
        sigma = torch.linalg.solve_triangular(R.mT, D * alpha + gamma * (YtH0Y @ alpha - YtH0g), upper=False)
        by_row = torch.empty_like(by_age).scatter_(0, by_age, rows)
        sigma, alpha = (
            torch.where(used[:, None], coefficients, 0).index_select(0, by_row) for coefficients in (sigma, alpha)
        )

        q = gradient - (alpha.mT.to(gradient) @ self.Y).view_as(gradient) * free
        result = gamma.to(gradient) * self._apply_h0(q)
        result += (sigma.mT.to(gradient) @ self.S).view_as(gradient)
        return result * free

    def _products_in_free_set(self, gradient: Tensor, free: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return S^T P Y, Y^T P H0 P Y, S^T g and Y^T P H0 g in float64."""
        count, channels = self._history, color_channels(gradient.shape)
        S, Y, g, mask = (
            values.view(-1, channels, values[0].numel() // channels)
            for values in (self.S, self.Y, gradient.view(1, -1), free.view(1, -1))
        )
        sums = torch.zeros(2 * count, count + 1, dtype=torch.float64, device=gradient.device)
        for start in range(0, g.shape[2], PIXELS_PER_CHUNK):
            chunk = (..., slice(start, start + PIXELS_PER_CHUNK))
            H0Y = self._apply_h0(Y[chunk] * mask[chunk]) * mask[chunk]
            left = torch.cat([S[chunk] * mask[chunk], H0Y]).flatten(1)
            right = torch.cat([Y[chunk], g[chunk]]).flatten(1)
            sums += left @ right.mT
        return sums[:count, :count], sums[count:, :count], sums[:count, count], sums[count:, count]

    def _apply_h0(self, values: Tensor) -> Tensor:
        """Return H0 times images (N, C, ...); the identity while there are no pairs."""
        if color_channels(values.shape) == 1:
            return values
        damping = LBFGS.luminance_damping * (self.pairs > 0)
        return values - damping.to(values) * values.sum(1, keepdim=True)


class _GraphedCallable:
    """A callable that is captured as a CUDA graph after some warm-up calls; if capturing fails it stays eager."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._eager, self._call, self._calls_until_capture = function, function, WARM_UP_EVALUATIONS

    def __call__(self) -> None:
        if self._calls_until_capture == 0:
            self._call = self._capture()
        self._calls_until_capture -= 1
        self._call()

    def _capture(self) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._eager()
        except RuntimeError as error:
            reason = (str(error).splitlines() or [""])[0]
            warnings.warn(f"CUDA graph capture failed, evaluations run slower ({reason})", stacklevel=2)
            return self._eager
        replay: Callable[[], None] = graph.replay
        return replay


def _loss_and_parts(evaluation: Evaluation) -> Tensor:
    """Return the loss and its terms as a float64 tensor on the device."""
    numbers = (torch.as_tensor(number, dtype=torch.float64) for number in (evaluation.loss, *evaluation.parts.values()))
    return torch.stack([number.to(evaluation.gradient.device) for number in numbers])


def _sum_of_squares(values: Tensor) -> Tensor:
    return (values * values).sum()


def _quadratic_interpolation_factor(loss: Tensor, new_loss: Tensor, slope: Tensor) -> Tensor:
    """`core.optim.lbfgs.quadratic_interpolation_factor` on 0-d tensors."""
    curvature = new_loss - loss - slope
    factor = (-slope / (2 * curvature)).clamp(LBFGS.min_shrinkage, LBFGS.max_shrinkage)
    return torch.where(torch.isfinite(curvature) & (curvature > 0), factor, LBFGS.min_shrinkage)
