"""L-BFGS that lives on the device: it decides there, and the host learns of it later.

On a GPU an evaluation takes a millisecond, and to wait for it in order to decide what comes next leaves the GPU without
work each time. Here every decision is a choice between tensors, so that the host only asks for one evaluation after
the other, which on CUDA are the replays of one recorded graph, and reads the numbers of those that are behind.
"""

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from core.arrays import Array
from core.optim.curvature import DIMMED, MIN_CURVATURE, planes
from core.optim.lbfgs import (
    INITIAL_STEP_RMS,
    MAX_BACKTRACKS,
    MAX_SHRINKAGE,
    MIN_SHRINKAGE,
    SUFFICIENT_DECREASE,
    free_mask,
)
from core.optim.types import Evaluation, Objective, Step, not_finite

AHEAD = 4
"""How many evaluations the host asks for before it waits for the first of them; each takes one more picture."""

WARM_UP = 2
"""Evaluations before a graph is recorded: libraries choose their kernels and set up their memory in the first."""

CHUNK = 2**17
"""How many pixels of the pairs are multiplied at once: their masked copies take memory."""

Tick = Callable[[], None]


def lbfgs(
    objective: Objective, start: Array, *, evaluations: int, history: int = 20, ahead: int = AHEAD
) -> Iterator[Step]:
    """The search of `core.optim.lbfgs.lbfgs`, without waiting for the device.

    The numbers of what `objective` returns may be tensors (). The steps come `ahead` evaluations late; each has its own
    picture, and none of the arrays that it would take to go on from there.

    Raises:
        StyleTransferError: The objective is not finite at `start`.
    """
    search = Search(objective, start, history)
    first = search.report()
    search.require_finite()
    yield first.step()
    go_on = _Recorded(search.tick) if start.is_cuda else search.tick
    asked: deque[Report] = deque()
    for _ in range(evaluations - 1):
        go_on()
        asked.append(search.report())
        if len(asked) > ahead:
            report = asked.popleft()
            if report.accepted:
                yield report.step()
            if report.done:
                return
    for report in asked:
        if report.accepted:
            yield report.step()


class Report:
    """How an evaluation went, on its way to the host."""

    def __init__(self, numbers: Tensor, image: Tensor, names: Sequence[str]) -> None:
        self._image, self._names = image.clone(), names
        self._numbers = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=numbers.is_cuda)
        self._numbers.copy_(numbers, non_blocking=True)
        self._arrived = torch.cuda.Event() if numbers.is_cuda else None  # type: ignore[no-untyped-call]
        if self._arrived is not None:
            self._arrived.record()

    @property
    def accepted(self) -> bool:
        """Whether it led to a better picture."""
        return bool(self._read()[0])

    @property
    def done(self) -> bool:
        """Whether nothing can be gained any more."""
        return bool(self._read()[1])

    def step(self) -> Step:
        """Where the search stood after it."""
        _, _, used, loss, *parts = self._read()
        return Step(int(used), self._image, loss, dict(zip(self._names, parts, strict=True)))

    def _read(self) -> list[float]:
        if self._arrived is not None:
            self._arrived.synchronize()
        numbers: list[float] = self._numbers.tolist()
        return numbers


class Search:
    """Where the search stands, all of it in tensors that stay where they are and change in place."""

    def __init__(self, objective: Objective, start: Array, history: int) -> None:
        """Evaluates at `start`."""
        self._objective, self._history = objective, history
        self.image = start.clamp(0, 1)
        here = objective(self.image)
        self._names = tuple(here.parts)
        self.gradient = here.gradient.clone()
        self.numbers = _numbers_of(here)
        self.moves, self.changes = (start.new_zeros(history, start.numel()) for _ in range(2))
        self.slot, self.pairs, self.tries, self.used = (
            torch.tensor(number, device=start.device) for number in (0, 0, 0, 1)
        )
        self.accepted, self.done = (torch.tensor(truth, device=start.device) for truth in (True, False))
        self.direction, self.candidate = torch.empty_like(self.image), torch.empty_like(self.image)
        self.length = torch.zeros((), dtype=torch.float64, device=start.device)
        self._turn(self.accepted)

    def require_finite(self) -> None:
        """Make sure, at the start, that loss and gradient are numbers, and wait for that.

        Raises:
            StyleTransferError: They are not.
        """
        if not bool(torch.isfinite(self.numbers[0]) & torch.isfinite(_squares(self.gradient))):
            raise not_finite(float(self.numbers[0]))

    def report(self) -> Report:
        """How the last evaluation went."""
        state = torch.stack([self.accepted, self.done, self.used])
        return Report(torch.cat([state.double(), self.numbers]), self.image, self._names)

    @torch.no_grad()
    def tick(self) -> None:
        """Evaluate where the search wants to, and decide what that means; the host learns nothing of it."""
        there = self._objective(self.candidate)
        numbers, move = _numbers_of(there), self.candidate - self.image
        loss, slope = self.numbers[0], (self.gradient * move).sum().double()
        finite = torch.isfinite(numbers[0]) & torch.isfinite(_squares(there.gradient))
        enough = (numbers[0] < loss) & (numbers[0] <= loss + SUFFICIENT_DECREASE * slope)
        accepted = finite & enough & ~self.done
        shrinkage = _shrinkage(loss, numbers[0], slope)

        self._remember(accepted, move, there.gradient - self.gradient)
        self.image.copy_(torch.where(accepted, self.candidate, self.image))
        self.gradient.copy_(torch.where(accepted, there.gradient, self.gradient))
        self.numbers.copy_(torch.where(accepted, numbers, self.numbers))
        self.accepted.copy_(accepted)
        self.used.add_(1)

        self.tries.copy_(torch.where(accepted, 0, self.tries + 1))
        spent = self.tries >= MAX_BACKTRACKS
        self.done.logical_or_(spent & (self.pairs == 0))
        forget = spent & (self.pairs > 0)
        self.pairs.mul_(~forget)
        self.tries.mul_(~forget)
        self.length.mul_(shrinkage)
        self._turn(accepted | forget)

    def _remember(self, accepted: Tensor, move: Tensor, change: Tensor) -> None:
        """Keep the pair if the step was taken and the loss curves upwards along it."""
        curves = (move * change).sum() > MIN_CURVATURE * _squares(change)
        keep, slot = accepted & curves, self.slot.view(1)
        for rows, row in ((self.moves, move), (self.changes, change)):
            rows.index_copy_(0, slot, torch.where(keep, row.reshape(1, -1), rows.index_select(0, slot)))
        self.slot.add_(keep).remainder_(self._history)
        self.pairs.add_(keep).clamp_(max=self._history)

    def _turn(self, turning: Tensor) -> None:
        """Take a new direction if it is time to, and choose where to evaluate next."""
        free = free_mask(self.image, self.gradient)
        direction = -self._multiply(self.gradient * free, free)
        self.direction.copy_(torch.where(turning, direction, self.direction))
        size = (_squares(self.direction) / self.direction.numel()).sqrt().double()
        first = torch.where(self.pairs > 0, 1.0, INITIAL_STEP_RMS / size.clamp_min(1e-30))
        self.length.copy_(torch.where(turning, first, self.length))
        self.candidate.copy_((self.image + self.length.to(self.image) * self.direction).clamp(0, 1))

    def _multiply(self, gradient: Tensor, free: Tensor) -> Tensor:
        """The inverse Hessian among the `free` values times `gradient`, which is 0 elsewhere.

        The compact form of it (Byrd, Nocedal and Schnabel 1994, theorem 2.2) is what the two loops compute, in two
        triangular systems: with moves S, changes Y, R the upper triangle of S'Y and D its diagonal, a = R⁻¹ S'g and
        u = R⁻ᵀ ((D + Y'HY) a - Y'Hg), it is H (g - Ya) + Su, H being the first guess.
        """
        mixed, squares, with_moves, with_changes = self._products(gradient, free)
        # Oldest first; slots that no pair lies in come before them.
        places = torch.arange(self._history, device=gradient.device)
        order = (self.slot + places).remainder(self._history)
        mixed, squares = (matrix.index_select(0, order).index_select(1, order) for matrix in (mixed, squares))
        curvature = mixed.diagonal()
        counts = (places >= self._history - self.pairs) & (curvature > 0)
        both = counts[:, None] & counts
        triangle = torch.where(both, mixed, 0).triu() + torch.diag(~counts)
        squares, newest = torch.where(both, squares, 0), squares[-1, -1]
        scale = torch.where(self.pairs > 0, curvature[-1].abs() / newest.clamp_min(1e-300), 1.0)
        with_moves, with_changes = (
            torch.where(counts, products.index_select(0, order), 0)[:, None] for products in (with_moves, with_changes)
        )
        diagonal = torch.where(counts, curvature, 0)[:, None]
        of_changes = torch.linalg.solve_triangular(triangle, with_moves, upper=True)
        rest = diagonal * of_changes + scale * (squares @ of_changes - with_changes)
        of_moves = torch.linalg.solve_triangular(triangle.mT, rest, upper=False)
        back = torch.empty_like(order).scatter_(0, order, places)
        of_moves, of_changes = (
            torch.where(counts[:, None], of, 0).index_select(0, back) for of in (of_moves, of_changes)
        )

        left = gradient - (of_changes.mT.to(gradient) @ self.changes).view_as(gradient) * free
        result = scale.to(gradient) * self._guessed(left)
        result += (of_moves.mT.to(gradient) @ self.moves).view_as(gradient)
        return result * free

    def _products(self, gradient: Tensor, free: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Inner products over the free values: moves with changes, changes as `_guessed`, both with the gradient."""
        count, channels = self._history, planes(gradient.shape)
        moves, changes, flat, mask = (values.view(-1, channels, values[0].numel() // channels) for values in (
            self.moves, self.changes, gradient.view(1, -1), free.view(1, -1)
        ))  # fmt: skip
        sums = torch.zeros(2 * count, count + 1, dtype=torch.float64, device=gradient.device)
        for start in range(0, flat.shape[2], CHUNK):
            part = (..., slice(start, start + CHUNK))
            guessed = self._guessed(changes[part] * mask[part]) * mask[part]
            left = torch.cat([moves[part] * mask[part], guessed]).flatten(1)
            right = torch.cat([changes[part], flat[part]]).flatten(1)
            sums += left @ right.mT
        return sums[:count, :count], sums[count:, :count], sums[:count, count], sums[count:, count]

    def _guessed(self, values: Tensor) -> Tensor:
        """Values (N, C, ...) times the first guess at the inverse Hessian, but for its scale."""
        if planes(values.shape) == 1:
            return values
        dimmed = DIMMED * (self.pairs > 0)
        return values - dimmed.to(values) * values.sum(1, keepdim=True)


class _Recorded:
    """A tick as a CUDA graph, recorded after a few plain ones; where it cannot be recorded it stays plain."""

    def __init__(self, tick: Tick) -> None:
        self._tick, self._plain, self._left = tick, tick, WARM_UP

    def __call__(self) -> None:
        if self._left == 0:
            self._tick = self._record()
        self._left -= 1
        self._tick()

    def _record(self) -> Tick:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._plain()
        except RuntimeError as error:
            reason = (str(error).splitlines() or [""])[0]
            warnings.warn(f"the loop runs slower, for it cannot be recorded as a CUDA graph ({reason})", stacklevel=2)
            return self._plain
        replay: Tick = graph.replay
        return replay


def _numbers_of(there: Evaluation) -> Tensor:
    """The loss and its parts, as float64."""
    numbers = (torch.as_tensor(number, dtype=torch.float64) for number in (there.loss, *there.parts.values()))
    return torch.stack([number.to(there.gradient.device) for number in numbers])


def _squares(values: Tensor) -> Tensor:
    return (values * values).sum()


def _shrinkage(loss_here: Tensor, loss_there: Tensor, slope: Tensor) -> Tensor:
    """The same as that of `core.optim.lbfgs`, without reading a number."""
    bend = loss_there - loss_here - slope
    part = (-slope / (2 * bend)).clamp(MIN_SHRINKAGE, MAX_SHRINKAGE)
    return torch.where(torch.isfinite(bend) & (bend > 0), part, MIN_SHRINKAGE)
