"""Command line for one image: `python -m core.transfer --content photo.jpg --style painting.jpg`."""

from typing import Any

from core.cli import options as flags
from core.cli.command import App
from core.cli.config_file import resolve_config
from core.cli.errors import report_errors
from core.cli.input_files import warn_of_changes, warn_of_replaced_styles
from core.cli.plan_report import show_plan
from core.cli.run import open_video, resolve_paths, run_to_files
from core.cli.video import DEFAULT_FPS
from core.distributed import process_group
from core.image.opening import allow_large_images
from core.runs.checkpoint import CHECKPOINT_INTERVAL, Checkpoint

app = App()


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
@flags.config_options()
def transfer(
    content: flags.ContentPath = None,
    style: flags.StylePaths = None,
    output: flags.OutputPath = None,
    region: flags.Regions = None,
    style_mask: flags.StyleMasks = None,
    preset: flags.Preset = None,
    effort: flags.Effort = None,
    config: flags.ConfigFile = None,
    dry_run: flags.DryRun = False,
    quiet: flags.Quiet = False,
    progress: flags.ProgressStyle = "auto",
    checkpoint: flags.CheckpointPath = None,
    checkpoint_every: flags.CheckpointEvery = CHECKPOINT_INTERVAL,
    record: flags.RecordPath = None,
    video: flags.VideoPath = None,
    video_fps: flags.VideoFps = DEFAULT_FPS,
    epochs: flags.Epochs = None,
    cuda: flags.Cuda = False,
    **options: Any,
) -> None:
    """Render a content image in the style of one or more style images.

    Ctrl-C ends the run and writes the best image so far. To compute one image in
    several processes: torchrun --standalone --nproc-per-node 2 -m core.transfer ...
    """
    with report_errors(), allow_large_images(), process_group() as group:
        resolved, in_file = resolve_config(
            options, preset=preset, effort=effort, config_file=config, epochs=epochs, cuda=cuda
        )
        paths = resolve_paths(
            content,
            style,
            region,
            output,
            in_file,
            resolved,
            style_masks=style_mask,
            record=record,
            checkpoint=checkpoint,
            config_file=config,
        )
        if group.is_main and not quiet:
            warn_of_changes(in_file, paths.inputs)
            warn_of_replaced_styles(in_file, style, paths.styles)
        state = Checkpoint(checkpoint, checkpoint_every) if checkpoint else None
        frames = open_video(video, paths, resolved, video_fps) if video else None
        if dry_run:
            show_plan(paths, resolved, group)
        else:
            run_to_files(paths, resolved, checkpoint=state, video=frames, quiet=quiet, progress=progress, group=group)


if __name__ == "__main__":
    app()
