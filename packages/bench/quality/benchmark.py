"""The quality benchmark: pictures of every pair by every program, sheets to judge them, and their measures."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from bench.machine import describe_machine
from bench.quality.efficientnet import EfficientNetLite0, load_efficientnet
from bench.quality.grid import Pair, make_pairs
from bench.quality.measures import Reference
from bench.quality.painting import Job, Transfer, paint_missing, run_transfer, wrote
from bench.quality.programs import (
    CONTROLS,
    DEFAULT,
    Configuration,
    Program,
    Rival,
    check_names,
    read_configurations,
    read_rivals,
)
from bench.quality.sheets import write_blind_sheets, write_contact_sheets
from bench.results import Picture, QualityProgram, QualityRun, load, save
from core.arrays import Pixels, Size
from core.errors import UsageError
from core.files import check_writable
from core.image.reading import read_image
from core.image.resize import resize
from core.image.writing import quantize, to_image
from core.multiscale.schedule import build_schedule

RESULTS = "quality.json"
PICTURES = "pictures"
SHEETS = "sheets"
BLIND_SHEETS = "blind"

OnProgress = Callable[[str], None]
Place = tuple[str, Pair]
"""The name of a program, and the pair that its picture shows."""


def run_quality(
    contents: Path,
    styles: Path,
    folder: Path,
    *,
    configs: Sequence[str] = (DEFAULT,),
    rivals: Sequence[str] = (),
    pairs_file: Path | None = None,
    size: int = 512,
    seed: int = 0,
    transfer: Transfer = run_transfer,
    on_progress: OnProgress = lambda line: None,
) -> QualityRun:
    """Make the pictures that are missing, measure all of them, and write results and sheets into `folder`.

    Args:
        contents: A folder of content images, or one image.
        styles: A folder of style images, or one image.
        folder: Folder of the results: new, empty, or of an earlier run, whose pictures are not made again.
        configs: Values of --config, see `read_configurations`.
        rivals: Values of --rival, see `read_rivals`.
        pairs_file: Restricts the pairs, see `make_pairs`.
        size: Long side of the pictures, in pixels.
        seed: Seed of the order of blind sheets.
        transfer: Runs `core.transfer`.
        on_progress: Called with a line of text before each picture.

    Raises:
        UsageError: An image, an option or the folder is invalid, or the folder has a picture made in another way.
        StyleTransferError: A picture could not be made, or a package is not installed.
    """
    pairs = make_pairs(contents, styles, pairs_file)
    configurations, others = read_configurations(configs, size), read_rivals(rivals, pairs)
    programs: list[Program] = [*configurations, *others]
    check_names([program.name for program in programs])
    inputs = [path for pair in pairs for path in (pair.content, pair.style)]
    inputs += [path for rival in others for path in rival.pictures.values()]
    _check_inputs(folder, [*inputs, *map(Path, configs), *((pairs_file,) if pairs_file else ())])
    _check_folder(folder)
    _check_sizes(pairs, configurations, size)
    network = load_efficientnet()
    jobs = {
        (configuration.name, pair): Job(
            pair, configuration, folder / PICTURES / configuration.name / f"{pair.name}.png"
        )
        for pair in pairs
        for configuration in configurations
    }
    paint_missing(list(jobs.values()), transfer, on_progress)

    files = {place: job.picture for place, job in jobs.items()}
    files |= {(rival.name, pair): rival.pictures[pair.name] for pair in pairs for rival in others}
    run = QualityRun(
        kind="quality",
        date=datetime.now(UTC).replace(microsecond=0),
        machine=describe_machine(),
        size=size,
        programs=tuple(_describe_programs(configurations, others)),
        pictures=tuple(_measure(pairs, files, jobs, network, size, on_progress)),
    )
    save(run, folder / RESULTS)

    def picture(name: str, pair: Pair) -> Image.Image:
        return to_image(_read(files[name, pair], pair.fitted_sizes(size)[0]))

    names = [program.name for program in programs]
    write_contact_sheets(folder / SHEETS, pairs, names, picture)
    write_blind_sheets(folder / BLIND_SHEETS, pairs, names, picture, seed=seed)
    return run


def _check_folder(folder: Path) -> None:
    """Check that the folder is new, empty or that of an earlier run, so that no other file is overwritten.

    A run that was interrupted leaves pictures only.
    """
    check_writable(folder / RESULTS)
    if (folder / RESULTS).exists():
        if not isinstance(load(folder / RESULTS), QualityRun):
            raise UsageError(f"{folder / RESULTS} is not of a quality benchmark: choose another folder")
        return
    files = (path for path in folder.rglob("*") if not path.is_dir())
    if not all(path.is_relative_to(folder / PICTURES) and path.is_file() and wrote(path) for path in files):
        raise UsageError(f"{folder} has files of another kind: choose a new folder")


def _check_inputs(folder: Path, inputs: Sequence[Path]) -> None:
    """Raise UsageError if an input is where results or sheets are written."""
    written = {(folder / name).resolve() for name in (RESULTS, SHEETS, BLIND_SHEETS)}
    for path in inputs:
        if written & {path.resolve(), *path.resolve().parents}:
            raise UsageError(
                f"refusing to overwrite {path}, an input in the folder of the results: choose another folder"
            )


def _check_sizes(pairs: Sequence[Pair], configurations: Sequence[Configuration], size: int) -> None:
    """Raise UsageError if an image cannot be read or is too small for a configuration."""
    for pair in pairs:
        content, style = pair.fitted_sizes(size)
        for configuration in configurations:
            build_schedule(content, [style], configuration.config)


def _describe_programs(configurations: Sequence[Configuration], rivals: Sequence[Rival]) -> Iterator[QualityProgram]:
    for configuration in configurations:
        options = configuration.config.to_dict()
        yield QualityProgram(name=configuration.name, role="configuration", config=options)
    for rival in rivals:
        yield QualityProgram(name=rival.name, role="rival")
    for control in CONTROLS:
        yield QualityProgram(name=control, role="control")


def _measure(
    pairs: Sequence[Pair],
    files: Mapping[Place, Path],
    jobs: Mapping[Place, Job],
    network: EfficientNetLite0,
    size: int,
    on_progress: OnProgress,
) -> Iterator[Picture]:
    """Yield the pictures of every program and both controls with their measures, pair by pair."""
    for number, pair in enumerate(pairs, 1):
        on_progress(f"measuring {number} of {len(pairs)}: {pair.name}")
        content_size, style_size = pair.fitted_sizes(size)
        content = _read(pair.content, content_size)
        reference = Reference.of(network, content, _read(pair.style, style_size))
        images = {name: _read(path, content_size) for (name, other), path in files.items() if other == pair}
        images |= dict(zip(CONTROLS, (content, _read(pair.style, content_size)), strict=True))
        for name, pixels in images.items():
            job = jobs.get((name, pair))
            yield Picture(
                program=name,
                content=pair.content.name,
                style=pair.style.name,
                measures=reference.measure(pixels),
                seconds=job.seconds() if job else None,
                peak_memory_bytes=job.peak_memory_bytes() if job else None,
            )


def _read(path: Path, size: Size) -> Pixels:
    """Read an image and resize it to (width, height), rounded to 8 bits as in a file."""
    return quantize(resize(read_image(path).pixels, size))
