"""The command line: `python -m bench run | report | compare | peers | machine`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from core.cli.errors import exit_with_error, report_errors
from core.errors import StyleTransferError, UsageError
from core.files import check_writable, replacing

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Measure how fast and how well the toolkit paints.",
)

SUITES = Path(__file__).parent / "suites"
LENGTHS = {"quick": "small and not long", "usual": "not large and not long", "full": ""}
"""Which benchmarks run, by their markers."""

REGRESSED = 1
PEERS_WIDTH = 110  # of the table of a race, in characters
NO_TESTS_RAN = 5  # pytest's own

Results = Annotated[Path, typer.Argument(help="Written by: python -m bench run.")]


@app.command()
def run(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the results go, as JSON.")],
    quick: Annotated[bool, typer.Option("--quick", help="Only small pictures: minutes on two cores.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Everything, up to 16 megapixels: hours on a CPU.")] = False,
    device: Annotated[Literal["all", "cpu", "cuda"], typer.Option(help="Where to measure.")] = "all",
    suite: Annotated[str | None, typer.Option(help="Only this one: extractor, objective, startup …")] = None,
) -> None:
    """Run the suites; what cannot run on this machine is skipped with the reason."""
    with report_errors():
        if quick and full:
            raise UsageError("--quick and --full were both given: give one of them, or neither")
        length = "quick" if quick else "full" if full else "usual"
        check_writable(output)
        _require_here(device)
        with replacing(output) as temporary:
            _run_suites(length, device, _files_of(suite), temporary)
        typer.echo(f"{output}: {len(json.loads(output.read_text())['benchmarks'])} results")


def _run_suites(length: str, device: str, files: list[Path], output: Path) -> None:
    """Run pytest on the suites; raise StyleTransferError if any benchmark is broken."""
    # Their settings are in their own conftest.py, wherever they are installed.
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rs",
        "-p",
        "no:cacheprovider",
        "-c",
        str(SUITES.parent / "pytest.ini"),
    ]
    command += [f"--rootdir={SUITES.parent}", f"--benchmark-json={output}", f"--device={device}"]
    command += ["--benchmark-columns=median,min,max,rounds", "--benchmark-sort=name", "--benchmark-group-by=func"]
    # Run by pytest-xdist, pytest-benchmark would take its own process for one of several, and not time.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    command += ["-m", LENGTHS[length], *map(str, files)]
    status = subprocess.run(command, env=environment, check=False).returncode
    if status == NO_TESTS_RAN:
        raise UsageError("no benchmark of that suite and length runs on that device: choose others")
    if status or not output.stat().st_size:
        raise StyleTransferError("a benchmark failed (see above), so nothing was written: a broken one has no speed")


def _files_of(suite: str | None) -> list[Path]:
    known = {path.stem.removeprefix("test_"): path for path in sorted(SUITES.glob("test_*.py"))}
    if suite is not None and suite not in known:
        raise UsageError(f"there is no suite {suite!r}: expected one of {', '.join(known)}")
    return [known[suite]] if suite else list(known.values())


def _require_here(device: str) -> None:
    from bench.machine import devices

    if device not in ("all", *devices()):
        raise StyleTransferError(f"this machine has no {device} device that PyTorch finds: use --device cpu")


@app.command()
def report(
    results: Annotated[list[Path], typer.Argument(help="Written by: python -m bench run, or peers.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder the report goes into.")],
) -> None:
    """Write results as a page for people: report.html, report.md and plots."""
    with report_errors():
        from bench.reporting.report import write_report
        from bench.reporting.results import load

        write_report([load(path) for path in results], output)
        typer.echo(f"{output / 'report.html'}")


@app.command()
def compare(
    base: Results,
    new: Results,
    fail_above: Annotated[float, typer.Option(help="Times as long as before that count as a regression.")] = 1.10,
    by: Annotated[
        Literal["time", "share"],
        typer.Option(help="'share' measures each run by its own machine's limit, for runs on different machines."),
    ] = "time",
) -> None:
    """Compare two runs; exit with 1 and name what became slower, by more than the rounds' own spread explains."""
    with report_errors():
        from bench.reporting.compare import compare as compare_runs
        from bench.reporting.results import load_run

        comparison = compare_runs(load_run(base), load_run(new), fail_above=fail_above, by=by)
        Console(soft_wrap=True, highlight=False).print(comparison.table())
        for warning in comparison.warnings:
            typer.echo(f"Note: {warning}", err=True)
        if comparison.regressions:
            names = ", ".join(row.name for row in comparison.regressions)
            exit_with_error(
                f"{len(comparison.regressions)} take more than {fail_above:g} times the time or memory: {names}",
                REGRESSED,
            )


@app.command()
def peers(
    content: Annotated[Path, typer.Option("--content", "-c", help="The photograph.")],
    style: Annotated[Path, typer.Option("--style", "-s", help="The picture to paint it like.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where the results go, as JSON.")] = None,
    size: Annotated[int, typer.Option(help="Bound on the long side, in pixels.")] = 384,
    evaluations: Annotated[int, typer.Option(help="How long the peers run.")] = 300,
    our_evaluations: Annotated[int | None, typer.Option(help="How long ours runs; as by default if left out.")] = None,
    our_scales: Annotated[int, typer.Option(help="At how many sizes ours paints; 0: as by default.")] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where to compute.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = 0,
    peer: Annotated[list[str] | None, typer.Option(help="Only this one; may be given several times.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Keep the last picture of each in this folder.")] = None,
) -> None:
    """Race against other programs' optimisers: when do we deliver the loss that they deliver at their end?"""
    with report_errors():
        from bench.race.peers import PEERS, peers_table, run_peers

        console = Console(stderr=True, soft_wrap=True, highlight=False)

        def tell(name: str, point: Any) -> None:
            console.print(f"{name:9} {point.evaluations:4} evaluations {point.seconds:8.1f} s  loss {point.loss:.5g}")

        if output:
            check_writable(output, inputs=(content, style))
        result = run_peers(
            content,
            style,
            size=size,
            evaluations=evaluations,
            our_evaluations=our_evaluations,
            our_scales=our_scales,
            device=device,
            seed=seed,
            peers=peer or PEERS,
            folder=folder,
            tell=tell,
        )
        if output:
            with replacing(output) as temporary:
                temporary.write_text(json.dumps(result, indent=1) + "\n")
        wide = Console(highlight=False)
        wide.width = max(wide.width, PEERS_WIDTH)
        wide.print(peers_table(result))


@app.command()
def machine(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Say what this machine is, and what its limits measured as."""
    with report_errors():
        from bench.machine import describe_machine, limits

        described, measured = describe_machine(), limits()
        if as_json:
            typer.echo(json.dumps({**described, "limits": measured}, indent=1))
            return
        console = Console(soft_wrap=True, highlight=False)
        console.print(described["name"])
        console.print(", ".join(described["instruction_sets"]) or "no vector instructions known")
        console.print(", ".join(f"{name} {number}" for name, number in described["versions"].items()))
        table = Table("device", "limit", "measured")
        for limit in measured:
            for precision, rate in limit["flop_per_second"].items():
                table.add_row(limit["device"], f"matrix product, {precision}", f"{rate / 1e12:.3g} TFLOP/s")
            table.add_row(limit["device"], "copy in memory", f"{limit['bytes_per_second'] / 1e9:.3g} GB/s")
        console.print(table)


if __name__ == "__main__":
    app()
