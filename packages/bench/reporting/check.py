"""Check of a new run against its base: regressions, confirmed by a second run, and missing benchmarks."""

from collections.abc import Callable, Collection
from pathlib import Path

from bench.reporting.compare import By, Comparison, compare
from bench.reporting.confirm import confirm_regressions
from bench.results import load_benchmarks
from core.errors import UsageError

ALL = "all"
"""Value of `allow_removed` that allows any removal."""


def check_runs(
    base: Path,
    new: Path,
    *,
    fail_above: float,
    by: By,
    allow_removed: Collection[str],
    confirm_commands: tuple[str | None, str | None],
    on_comparison: Callable[[Comparison], None],
) -> str | None:
    """Compare two result files, and return the failures as a sentence, or None.

    Args:
        base: Result file of the base.
        new: Result file of the new version.
        fail_above: See `compare`.
        by: See `compare`.
        allow_removed: Names of benchmarks that may be missing from `new`, or "all".
        confirm_commands: Commands that run the benchmarks of both sides again; see `confirm_regressions`. With
            (None, None) every regression fails, otherwise only one that shows again.
        on_comparison: Called with the comparison of the files, then with that of the second run.

    Raises:
        UsageError: A file or an option is invalid.
        StyleTransferError: A confirmation command failed.
    """
    base_command, new_command = confirm_commands
    if (base_command is None) != (new_command is None):
        raise UsageError("--confirm-base and --confirm-new are used together: give both or neither")
    comparison = compare(load_benchmarks(base), load_benchmarks(new), fail_above=fail_above, by=by)
    on_comparison(comparison)
    regressions = comparison.regressions
    if regressions and base_command is not None and new_command is not None:
        second = confirm_regressions(regressions, base_command, new_command, fail_above=fail_above, by=by)
        on_comparison(second)
        regressions = tuple(name for name in regressions if name in second.regressions)
    allowed = comparison.only_base if ALL in allow_removed else allow_removed
    removed = [name for name in comparison.only_base if name not in allowed]
    failures = []
    if regressions:
        failures.append(
            f"benchmarks above {fail_above:g} times the time or memory ({len(regressions)}): {', '.join(regressions)}"
        )
    if removed:
        failures.append(
            f"benchmarks missing from {new} ({len(removed)}): {', '.join(removed)}, "
            "where --allow-removed NAME would allow it"
        )
    return "; ".join(failures) or None
