"""The loop of a batch: run item after item, and report the items that failed or remain."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from core.backends.base import Backend, default_backend
from core.cli.errors import EXIT_INTERRUPTED, exit_with_error
from core.cli.input_files import check_network, check_readable
from core.cli.interrupt import GracefulInterrupt
from core.cli.progress_bar import show_progress
from core.cli.run import RunPaths
from core.cli.saving import best_result, check_replaceable, save_result
from core.cli.sweep import BatchItem
from core.cli.terminal import print_line
from core.config.transfer_config import TransferConfig
from core.errors import NonEssential, StyleTransferError
from core.runs.progress import Progress
from core.style_transfer import stylize
from core.styles import Style

if TYPE_CHECKING:
    from core.backends.loaded_network import LoadedNetwork


class BatchRun:
    """Runs the items of a batch one after the other.

    Args:
        items: The runs, in order.
        resume: Skip an item whose output is already complete.
        quiet: Print errors only.
        progress: "auto", or "json" for JSON lines on stdout, as in `show_progress`.

    Attributes:
        failed: The items that failed, and why.
        remaining: The items that an interrupt left over.
    """

    def __init__(self, items: Sequence[BatchItem], *, resume: bool, quiet: bool, progress: str) -> None:
        self._items, self._resume, self._quiet, self._progress = items, resume, quiet, progress
        self._backends = BackendFactory()
        self.failed: dict[BatchItem, str] = {}
        self.remaining: Sequence[BatchItem] = ()
        self._partial: BatchItem | None = None

    def show_plan(self) -> None:
        """Print the output, the content and the style of each item, and which ones would fail.

        Raises:
            StyleTransferError: An item would fail, as far as the headers of its files show.
        """
        problems: dict[BatchItem, str] = {}
        for item in self._items:
            note = " (finished)" if self._is_finished(item) else ""
            try:
                _check(item)
            except StyleTransferError as error:
                problems[item], note = str(error), " (would fail)"
            print_line(f"{item.output}: {item.content} in the style of {item.style}{note}")
        print_line(f"{len(self._items)} images; nothing was written")
        if problems:
            raise StyleTransferError(f"{len(problems)} of {len(self._items)} images would fail: {_reasons(problems)}")

    def run(self) -> None:
        """Run all items; stop at an interrupt and continue after a failure."""
        with GracefulInterrupt() as interrupt:
            for index, item in enumerate(self._items):
                try:
                    if interrupt.requested:
                        raise KeyboardInterrupt
                    finished = self._is_finished(item)
                    self._report(index + 1, "finished" if finished else "running", item)
                    if not finished:
                        self._run_item(item, interrupt)
                except KeyboardInterrupt:
                    self.remaining = self._items[index:]
                    return

    def exit_if_incomplete(self) -> None:
        """Exit with one sentence about the items that remain or failed, if there are any.

        Raises:
            typer.Exit: The batch is incomplete.
        """
        total, problems = len(self._items), []
        if self.remaining:
            names = ", ".join(map(self._describe_remaining, self.remaining))
            problems.append(
                f"interrupted: {len(self.remaining)} of {total} images remain ({names}); add --resume to continue"
            )
        if self.failed:
            problems.append(f"{len(self.failed)} of {total} images failed: {_reasons(self.failed)}")
        if problems:
            exit_with_error("; ".join(problems), EXIT_INTERRUPTED if self.remaining else 1)

    def _run_item(self, item: BatchItem, interrupt: GracefulInterrupt) -> None:
        """Run one item, or note why it failed.

        Raises:
            KeyboardInterrupt: The run was interrupted.
        """
        try:
            check_replaceable(item.output, "--output directory")
            self._stylize(item, interrupt)
        except StyleTransferError as error:
            self.failed[item] = str(error)
        finally:
            interrupt.release()

    def _stylize(self, item: BatchItem, interrupt: GracefulInterrupt) -> None:
        """Run one item and write its output, or after an interrupt or a failure the best image so far.

        Raises:
            KeyboardInterrupt: The run was interrupted.
            StyleTransferError: The run failed, or its output cannot be written.
        """
        config, display = item.variant.config, NonEssential("the progress display")
        backend = self._backends.create(config)
        with show_progress(self._progress, self._quiet) as show:

            def after_step(step: Progress) -> bool:
                with display:
                    show(step)
                if interrupt.requested or step.evaluations >= step.total_evaluations:
                    interrupt.protect()  # the steps are complete: another signal must not discard the result
                return interrupt.requested

            run = partial(stylize, item.content, item.style, config, callback=after_step, backend=backend)
            result, failure = best_result(run)
        save_result(result, item.output)
        if failure:
            raise StyleTransferError(f"{failure}; the best image so far was written to {item.output}")
        if result.record["stopped"]:
            self._partial = item
            raise KeyboardInterrupt

    def _describe_remaining(self, item: BatchItem) -> str:
        return item.output.name + (" with the best image so far" if item is self._partial else "")

    def _is_finished(self, item: BatchItem) -> bool:
        try:
            return self._resume and item.is_finished()
        except StyleTransferError:
            return False  # the run of the item reports the error

    def _report(self, number: int, status: str, item: BatchItem) -> None:
        if self._progress == "json":
            line = {"item": number, "items": len(self._items), "output": str(item.output), "status": status}
            print_line(json.dumps(line))
        elif not self._quiet:
            print_line(f"{number} of {len(self._items)}: {item.output} {status}", stderr=True)


def _check(item: BatchItem) -> None:
    """Check the files of a run by their headers.

    Raises:
        StyleTransferError: The run would fail.
    """
    config = item.variant.config
    RunPaths(item.content, (Style((item.style,)),), item.output).build_schedule(config)
    check_readable((), config)
    check_network(config)
    check_replaceable(item.output, "--output directory")


def _reasons(problems: Mapping[BatchItem, str]) -> str:
    return "; ".join(dict.fromkeys(problems.values()))


class BackendFactory:
    """Creates the backends of successive runs; keeps the network loaded while the next run uses the same one."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._network: LoadedNetwork | None = None

    def create(self, config: TransferConfig) -> Backend | None:
        """Return a new backend for a run with `config`, or None for a painter; runs do not share memory plans."""
        if config.painter is not None:
            return None
        if config.objective is not None:
            return default_backend(config)
        from core.backends.loaded_network import LOAD_OPTIONS, LoadedNetwork
        from core.backends.torch_backend import TorchBackend

        key = tuple(getattr(config, name) for name in LOAD_OPTIONS)
        if self._network is None or key != self._key:
            self._network = None  # free the memory of the old network before the next one is loaded
            self._key, self._network = key, LoadedNetwork.load(config)
        return TorchBackend(config, self._network)
