"""The report of `--dry-run`: size, evaluations, memory and tiles of each scale."""

import math

from rich.table import Table

from core.arrays import Size
from core.byte_sizes import format_size
from core.cli.input_files import check_network
from core.cli.run import RunPaths
from core.cli.terminal import make_console, print_line
from core.config.transfer_config import TransferConfig
from core.distributed import ProcessGroup, all_reduced_bytes
from core.errors import StyleTransferError
from core.installation import has_torch
from core.memory.plan import Memory, Plan, plan_memory


def show_plan(paths: RunPaths, config: TransferConfig, group: ProcessGroup) -> None:
    """Print the network, the device, the scales with their evaluations and memory, and the output; on rank 0 only.

    Raises:
        UsageError: The weights or the exported files are missing, or belong to another network.
        StyleTransferError: The device is not available, the ranks cannot share such a run, or memory is too small.
    """
    group.check_supports(config)
    check_network(config)
    scales = paths.build_schedule(config)
    device, memory, precision = _choose_machine(config, group)
    plans = [plan_memory(*scale.network_sizes, config, memory, precision, group.world_size) for scale in scales]
    if not group.is_main:
        return
    table = Table("scale", "output", "style", "evaluations", "memory", "computation")
    for number, (scale, plan) in enumerate(zip(scales, plans, strict=True), start=1):
        sizes = (_format_sides(scale.size), _format_sides(scale.style_size))
        row = (
            f"{number}/{len(scales)}{', final pass' if scale.final_pass else ''}",
            *sizes,
            str(scale.evaluations),
            _format_memory(plan),
        )
        table.add_row(*row, _format_computation(plan, config))
    print_line(
        f"{config.arch} ({config.weights}), {config.optimizer}, initial image: {config.init}, "
        f"device: {device}{_format_processes(group)}"
    )
    make_console().print(table)
    print_line(f"output: {paths.output} (not written: this is a dry run)")
    if problems := [plan.insufficient_memory for plan in plans if plan.insufficient_memory]:
        raise StyleTransferError(f"this run would fail: {problems[0]}")


def _choose_machine(config: TransferConfig, group: ProcessGroup) -> tuple[str, Memory, str]:
    """Return the device, the memory to plan with, and the precision."""
    if not has_torch():
        return config.device, Memory(math.inf), "fp32"
    from core.backends.device import choose_device, choose_precision, memory_for

    device = choose_device(config.device, group)
    memory = Memory(math.inf) if config.objective or config.painter else memory_for(device, config, group)
    return str(device), memory, choose_precision(config, device)


def _format_processes(group: ProcessGroup) -> str:
    return f", {group.world_size} processes; memory is per process" if group.world_size > 1 else ""


def _format_memory(plan: Plan) -> str:
    host = f", host {format_size(plan.host_memory)}" if plan.on_host else ""
    return f"about {format_size(plan.memory)}{host}"


def _format_computation(plan: Plan, config: TransferConfig) -> str:
    """Format the tiles of an evaluation, their cost relative to one without tiles, and a shortened L-BFGS history."""
    text = "untiled"
    if plan.tiled:
        tiling = plan.tiling(config)
        tiles = f"{_format_sides(tiling.grid(plan.size))} tiles of {_format_sides(tiling.largest(plan.size)[0])} px"
        text = f"{tiles}{_format_shares(plan, config)}, {plan.work:.2g} times the work"
    if config.optimizer == "lbfgs" and plan.history < config.history:
        text += f", history {plan.history}"
    return text


def _format_shares(plan: Plan, config: TransferConfig) -> str:
    """Format the number of tiles per process, and the size of the all-reduce of one evaluation."""
    if plan.world_size == 1:
        return ""
    tiling = plan.tiling(config)
    shares = [sum(tile.weight > 0 for tile in tiling.tiles_of_rank(plan.size, rank)) for rank in range(plan.world_size)]
    counts = f"{shares[-1]} or {shares[0]}" if shares[-1] < shares[0] else f"{shares[0]}"
    return f", {counts} per process, {all_reduced_bytes(plan.size, config) / 1e6:.1f} MB all-reduced"


def _format_sides(size: Size) -> str:
    return f"{size[0]} × {size[1]}"
