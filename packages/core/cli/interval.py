"""Periodic actions of a run, counted in evaluations of the objective."""

from typing import Self

from core.runs.progress import Progress


class EvaluationInterval:
    """Predicate on `Progress` that is true whenever another `evaluations` evaluations are complete."""

    def __init__(self, evaluations: int) -> None:
        self._interval, self._last = evaluations, 0

    def __call__(self, progress: Progress) -> bool:
        """Return whether an interval ended since the last call.

        The step that a run resumes from does not count: the interrupted run has acted on it.
        """
        before, self._last = self._last, progress.evaluations
        return not progress.resumed and progress.evaluations // self._interval > before // self._interval

    def doubled(self) -> Self:
        """Return an interval of twice the length that continues from the last evaluation seen."""
        doubled = type(self)(2 * self._interval)
        doubled._last = self._last
        return doubled
