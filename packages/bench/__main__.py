"""Command line of the benchmarks."""

import typer

from bench import options
from core.cli.command import App
from core.cli.errors import EXIT_INTERRUPTED, exit_with_error, report_errors
from core.cli.terminal import make_console, print_line
from core.errors import UsageError
from core.files import check_writable, replacing
from core.image.opening import allow_large_images
from core.installation import require_full

app = App(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Benchmark the speed, memory and quality of the toolkit.",
)

EXIT_REGRESSION = 1


@app.command()
def run(
    output: options.ResultFile,
    quick: options.Quick = False,
    full: options.Full = False,
    device: options.SuiteDevice = "all",
    suite: options.Suite = None,
) -> None:
    """Run the benchmark suites. Benchmarks that this machine cannot run are skipped with the reason."""
    with report_errors():
        require_full("python -m bench run")
        from bench.results import load_benchmarks
        from bench.runner import run_suites

        if quick and full:
            raise UsageError("--quick and --full are mutually exclusive")
        check_writable(output)
        with replacing(output) as temporary:
            run_suites(temporary, length="quick" if quick else "full" if full else "usual", device=device, suite=suite)
        print_line(f"{output}: {len(load_benchmarks(output).benchmarks)} results")


@app.command()
def report(results: options.ReportedResults, output: options.ReportFolder) -> None:
    """Write a report on result files: report.md and its charts."""
    with report_errors():
        from bench.reporting.report import write_report
        from bench.results import load

        print_line(write_report([load(path) for path in results], output))


@app.command()
def compare(
    base: options.BaseResults,
    new: options.NewResults,
    fail_above: options.FailAbove = 1.10,
    by: options.By = "time",
    allow_removed: options.AllowRemoved = None,
    confirm_base: options.ConfirmBase = None,
    confirm_new: options.ConfirmNew = None,
) -> None:
    """Compare two runs. Exit with 1 if a benchmark is slower, needs more memory, or is missing from NEW."""
    with report_errors():
        from bench.reporting.check import check_runs
        from bench.reporting.comparison_table import print_comparison

        failure = check_runs(
            base,
            new,
            fail_above=fail_above,
            by=by,
            allow_removed=allow_removed or (),
            confirm_commands=(confirm_base, confirm_new),
            on_comparison=print_comparison,
        )
        if failure:
            exit_with_error(failure, EXIT_REGRESSION)


@app.command("time-to-quality")
def time_to_quality(
    content: options.Content,
    style: options.Style,
    output: options.OptionalResultFile = None,
    size: options.Size = 384,
    evaluations: options.Evaluations = 300,
    toolkit_evaluations: options.ToolkitEvaluations = None,
    toolkit_scales: options.ToolkitScales = 0,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    baseline: options.Baselines = None,
    folder: options.ImageFolder = None,
) -> None:
    """Measure the time until the toolkit reaches the final loss of other programs."""
    with report_errors():
        require_full("python -m bench time-to-quality")
        from bench.results import save
        from bench.time_to_quality.benchmark import run_time_to_quality
        from bench.time_to_quality.programs import BASELINES, PROGRAMS
        from bench.time_to_quality.terminal import print_point, print_results

        if output:
            images = [folder / f"{name}.png" for name in PROGRAMS] if folder else []
            check_writable(output, inputs=(content, style, *images))
        result = run_time_to_quality(
            content,
            style,
            size=size,
            evaluations=evaluations,
            toolkit_evaluations=toolkit_evaluations,
            toolkit_scales=toolkit_scales,
            device=device,
            seed=seed,
            baselines=baseline or BASELINES,
            folder=folder,
            on_point=print_point,
        )
        if output:
            save(result, output)
        print_results(result)


@app.command()
def race(
    content: options.Content,
    style: options.Style,
    output: options.RaceFolder,
    config: options.Config = "default",
    rival: options.RivalConfigs = None,
    size: options.RaceSize = 512,
) -> None:
    """Measure the time until a picture is as good as the finished pictures of other configurations.

    A picture is as good if neither its structure nor its style error is larger. Both are measured in a network that no
    run optimises.
    """
    with report_errors(), allow_large_images():
        require_full("python -m bench race")
        from bench.time_to_quality.race import run_race
        from bench.time_to_quality.terminal import print_race, print_race_point

        rivals = rival or ()
        print_race(run_race(content, style, output, config=config, rivals=rivals, size=size, on_point=print_race_point))


@app.command()
def quality(
    contents: options.Contents,
    styles: options.Styles,
    output: options.QualityFolder,
    config: options.Configs = None,
    rival: options.Rivals = None,
    pairs: options.PairsFile = None,
    size: options.Size = 512,
    seed: options.OrderSeed = 0,
) -> None:
    """Compare the pictures of configurations: contact sheets, blind sheets for judges, and measures.

    Pictures that exist in the folder are not made again.
    """
    with report_errors(), allow_large_images():
        require_full("python -m bench quality")
        from bench.quality.benchmark import run_quality
        from bench.quality.terminal import print_progress, print_quality

        try:
            result = run_quality(
                contents,
                styles,
                output,
                configs=config or ["default"],
                rivals=rival or (),
                pairs_file=pairs,
                size=size,
                seed=seed,
                on_progress=print_progress,
            )
        except KeyboardInterrupt:
            exit_with_error("interrupted: repeat the command to continue after the last picture", EXIT_INTERRUPTED)
        print_quality(result)


@app.command()
def tally(key: options.KeyFile, answers: options.AnswerFiles) -> None:
    """Print how often judges of blind sheets preferred the first of the two programs.

    A file of answers has a line for each sheet: its name, a tab, and A, B or = for a tie.
    """
    with report_errors():
        from bench.quality.tally import count_answers
        from bench.quality.terminal import print_tally

        print_tally(count_answers(key, answers))


app.command("peers", hidden=True)(time_to_quality)  # the command's former name


@app.command()
def machine(as_json: options.AsJson = False) -> None:
    """Print a description of this machine and its measured limits."""
    with report_errors():
        require_full("python -m bench machine")
        from bench.machine_report import machine_json, print_machine

        if as_json:
            typer.echo(machine_json())
        else:
            print_machine(make_console())


if __name__ == "__main__":
    app()
