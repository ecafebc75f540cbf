"""Many paintings: `python -m core.batch --content 'photos/*.jpg' --style styles/ --output folder`."""

import json
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from PIL import Image

from core.backends.base import Backend, default_backend
from core.cli.config_file import resolve
from core.cli.errors import INTERRUPTED, exit_with_error, report_errors
from core.cli.options import ConfigFile, Cuda, Epochs, Preset, ProgressStyle, Quiet, config_options
from core.cli.progress_bar import show_progress
from core.cli.run import GracefulInterrupt
from core.cli.sweep import Painting, find_images, plan_batch, sweep
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError
from core.image.contact_sheet import Cell, draw_contact_sheet
from core.image.reading import allow_large_images, read_image
from core.image.writing import check_output, write_image
from core.runs.progress import Callback, Progress
from core.style_transfer import stylize

if TYPE_CHECKING:
    from core.backends.loaded_network import Network

CELL = (256, 256)
"""Of the contact sheet, in pixels."""

CHOOSE_NETWORK = (
    "arch", "weights", "weights_preprocessing", "pooling", "extractor", "device", "content_layers", "style_layers"
)  # fmt: skip
"""The options that decide which network is loaded, and how much of it."""

Tell = Callable[[int, str, Painting], None]
Show = Callable[[], AbstractContextManager[Callback]]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

Contents = Annotated[
    list[str] | None,
    typer.Option("--content", "-c", help="Photographs: files, folders, globs; may be repeated.", show_default=False),
]
Styles = Annotated[
    list[str] | None,
    typer.Option("--style", "-s", help="Pictures to paint them like, in the same way.", show_default=False),
]
Folder = Annotated[Path, typer.Option("--output", "-o", help="The folder the paintings go to, as CONTENT-STYLE.png.")]
Sweeps = Annotated[
    list[str] | None,
    typer.Option(
        "--sweep",
        help="Paint with every value of an option, such as strength=0.2,0.5,0.8; several multiply.",
        show_default=False,
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Leave out what is painted already, just as asked for.")]
SheetPath = Annotated[
    Path | None, typer.Option("--contact-sheet", help="Lay everything out in one picture.", show_default=False)
]


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
@config_options("save_every")
def batch(
    content: Contents = None,
    style: Styles = None,
    output: Folder = Path(),
    sweeps: Sweeps = None,
    resume: Resume = False,
    contact_sheet: SheetPath = None,
    config: ConfigFile = None,
    preset: Preset = None,
    epochs: Epochs = None,
    cuda: Cuda = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the paintings, and stop.")] = False,
    quiet: Quiet = False,
    progress: ProgressStyle = "auto",
    **options: Any,
) -> None:
    """Paint every photograph in every style.

    What cannot be painted is told at the end (exit status 1), and the rest is painted. Ctrl-C ends the run; the
    painting it was at is not written, and with --resume the same command goes on.
    """
    with report_errors(), allow_large_images():
        choices, _ = resolve(options, preset=preset, config_file=config, epochs=epochs, cuda=cuda)
        contents, styles = find_images(content or (), "content"), find_images(style or (), "style")
        paintings = plan_batch(contents, styles, sweep(choices, sweeps or ()), output)
        if contact_sheet:
            check_output(contact_sheet, inputs=(*contents, *styles, *(one.output for one in paintings)))
        tell = _teller(quiet, progress, len(paintings))
        run = Batch(paintings, resume=resume, tell=tell, show=lambda: show_progress(progress, quiet))
        if dry_run:
            run.show_plan()
            return
        run.paint()
        if contact_sheet and not run.left:
            write_image(contact_sheet, read_image(lay_out(paintings, run.failed)).pixels)
        run.finish()


class Batch:
    """Paints one after the other, and keeps account of what failed and what is left.

    `tell` hears the number from 1 of every painting, what becomes of it, and the painting; `show` gives what shows
    the progress of one.
    """

    def __init__(self, paintings: Sequence[Painting], *, resume: bool, tell: Tell, show: Show) -> None:
        self._paintings, self._resume, self._tell, self._show = paintings, resume, tell, show
        self._engines = Backends()
        self.failed: dict[Painting, str] = {}
        self.left: Sequence[Painting] = ()

    def show_plan(self) -> None:
        """Print what would be painted, and from what."""
        for painting in self._paintings:
            note = " (is there)" if self._is_finished(painting) else ""
            typer.echo(f"{painting.output}: {painting.content} in the style of {painting.style}{note}")
        typer.echo(f"{len(self._paintings)} paintings; nothing was painted")

    def paint(self) -> None:
        """Paint everything; what fails is noted, and what an interrupt leaves over."""
        with GracefulInterrupt() as interrupt:
            for at, painting in enumerate(self._paintings):
                finished = self._is_finished(painting)
                self._tell(at + 1, "is there" if finished else "painting", painting)
                if not finished and not self._paint(painting, interrupt):
                    self.left = self._paintings[at:]
                    return

    def finish(self) -> None:
        """Say in one sentence what was left over or went wrong, if anything, and exit."""
        total = len(self._paintings)
        if self.left:
            names = ", ".join(painting.output.name for painting in self.left)
            exit_with_error(
                f"interrupted: {len(self.left)} of {total} are left ({names}); add --resume to go on", INTERRUPTED
            )
        if self.failed:
            reasons = "; ".join(dict.fromkeys(self.failed.values()))
            exit_with_error(f"{len(self.failed)} of {total} paintings failed: {reasons}")

    def _paint(self, painting: Painting, interrupt: GracefulInterrupt) -> bool:
        """Paint one, and say whether it came to its end, be it a bad one."""
        config = painting.variant.config
        backend = self._engines.backend(config)
        try:
            with self._show() as show:

                def after_step(step: Progress) -> bool:
                    show(step)
                    return interrupt.requested

                result = stylize(painting.content, painting.style, config, callback=after_step, backend=backend)
            if result.record["stopped"]:
                return False
            result.save(painting.output)
        except StyleTransferError as error:
            self.failed[painting] = str(error)
        except KeyboardInterrupt:
            return False
        return True

    def _is_finished(self, painting: Painting) -> bool:
        try:
            return self._resume and painting.is_finished()
        except StyleTransferError:
            return False  # painting it will tell why


class Backends:
    """Backends for one painting after another. A network stays loaded as long as the next one asks for the same."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._network: Network | None = None

    def backend(self, config: TransferConfig) -> Backend:
        """A new engine for a run with `config`: its plans for the memory are of that run alone."""
        if config.objective is not None:
            return default_backend(config)
        from core.backends.loaded_network import Network
        from core.backends.torch_backend import TorchBackend

        key = tuple(getattr(config, name) for name in CHOOSE_NETWORK)
        if self._network is None or key != self._key:
            self._network = None  # before the next one takes its place in memory
            self._key, self._network = key, Network.load(config)
        return TorchBackend(config, self._network)


def lay_out(paintings: Sequence[Painting], failed: Container[Painting]) -> Image.Image:
    """A sheet of them: the contents below each other, the styles side by side, and those again for every variant."""
    contents = list(dict.fromkeys(painting.content for painting in paintings))
    columns = list(dict.fromkeys((painting.variant.label, painting.style) for painting in paintings))
    unreadable = {path for painting in paintings if painting in failed for path in _unreadable(painting)}
    made = {(painting.content, painting.variant.label, painting.style): painting for painting in paintings}

    def source(path: Path, text: str) -> Cell:
        return Cell(None if path in unreadable else path, text)

    def result(painting: Painting) -> Cell:
        return Cell(None if painting in failed else painting.output)

    heads = [source(style, " ".join(filter(None, (style.stem, label)))) for label, style in columns]
    rows = [
        [source(content, content.stem), *(result(made[content, *column]) for column in columns)] for content in contents
    ]
    return draw_contact_sheet([[Cell(), *heads], *rows], CELL)


def _unreadable(painting: Painting) -> Iterator[Path]:
    for path in (painting.content, painting.style):
        try:
            read_image(path)
        except StyleTransferError:
            yield path


def _teller(quiet: bool, progress: str, total: int) -> Tell:
    """How people, or programs, hear of every painting."""

    def tell(number: int, what: str, painting: Painting) -> None:
        if progress == "json":
            line = {"painting": number, "paintings": total, "output": str(painting.output), "status": what}
            typer.echo(json.dumps(line))
        elif not quiet:
            typer.echo(f"{number} of {total}: {painting.output} {what}", err=True)

    return tell


if __name__ == "__main__":
    app()
