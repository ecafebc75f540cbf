"""Command line for many images: `python -m core.batch --content 'photos/*.jpg' --style styles/ --output results`."""

from pathlib import Path
from typing import Any

from core.cli import options as flags
from core.cli.batch_run import BatchRun
from core.cli.batch_sheet import write_batch_sheet
from core.cli.command import App
from core.cli.config_file import refuse_regions, resolve_config
from core.cli.errors import EXIT_INTERRUPTED, exit_with_error, report_errors
from core.cli.input_files import files_of_options, warn_of_changes
from core.cli.sweep import expand_sweeps, find_images, plan_batch
from core.distributed import process_group
from core.errors import NonEssential, UsageError
from core.image.opening import allow_large_images
from core.image.writing import check_output

app = App()


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
@flags.config_options("save_every")
def batch(
    content: flags.BatchContents = None,
    style: flags.BatchStyles = None,
    output: flags.BatchOutput = Path(),
    sweep: flags.Sweeps = None,
    contact_sheet: flags.ContactSheet = None,
    resume: flags.Resume = False,
    preset: flags.Preset = None,
    effort: flags.Effort = None,
    config: flags.ConfigFile = None,
    dry_run: flags.DryRun = False,
    quiet: flags.Quiet = False,
    progress: flags.ProgressStyle = "auto",
    epochs: flags.Epochs = None,
    cuda: flags.Cuda = False,
    **options: Any,
) -> None:
    """Render every content image in every style.

    Failures are listed at the end (exit status 1). --resume continues after Ctrl-C.
    """
    with report_errors(), allow_large_images(), process_group() as group:
        if group.world_size > 1:
            raise UsageError("a batch runs in one process: start it without torchrun")
        resolved, in_file = resolve_config(
            options, preset=preset, effort=effort, config_file=config, epochs=epochs, cuda=cuda
        )
        refuse_regions(in_file, config, "a batch")
        for name, given in (("content", content), ("style", style)):
            if name in in_file and not given:
                raise UsageError(f"a batch takes no {name} image from --config {config}: add --{name}")
        contents, styles = find_images(content or (), "content"), find_images(style or (), "style")
        variants = expand_sweeps(resolved, sweep or ())
        others = sorted({path for variant in variants for path in files_of_options(variant.config, config)})
        items = plan_batch(contents, styles, variants, output, others)
        inputs = (*contents, *styles, *others)
        if contact_sheet:
            check_output(contact_sheet, inputs=(*inputs, *(item.output for item in items)))
        if not quiet:
            warn_of_changes(in_file, inputs)
        run = BatchRun(items, resume=resume, quiet=quiet, progress=progress)
        if dry_run:
            run.show_plan()
            return
        run.run()
        if contact_sheet and not run.remaining:
            try:
                with NonEssential("the contact sheet"):
                    write_batch_sheet(contact_sheet, items, run.failed)
            except KeyboardInterrupt:
                exit_with_error(f"interrupted: {contact_sheet} was not written, but the images were", EXIT_INTERRUPTED)
        run.exit_if_incomplete()


if __name__ == "__main__":
    app()
