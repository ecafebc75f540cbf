"""Description of this machine and its measured limits, for the terminal and as JSON."""

import msgspec
from rich.console import Console
from rich.table import Table

from bench.machine import describe_machine, measure_limits


def machine_json() -> str:
    """Return the description and the limits as JSON."""
    values = {**msgspec.to_builtins(describe_machine()), "limits": msgspec.to_builtins(measure_limits())}
    return msgspec.json.format(msgspec.json.encode(values), indent=1).decode()


def print_machine(console: Console) -> None:
    """Print the description, and the limits as a table."""
    machine = describe_machine()
    console.print(machine.name)
    console.print(", ".join(machine.instruction_sets) or "no vector instructions detected")
    console.print(", ".join(f"{name} {number}" for name, number in machine.versions.items()))
    table = Table("device", "limit", "measured")
    for limits in measure_limits():
        for precision, rate in limits.flop_per_second.items():
            table.add_row(limits.device, f"matrix product, {precision}", f"{rate / 1e12:.3g} TFLOP/s")
        table.add_row(limits.device, "copy in memory", f"{limits.bytes_per_second / 1e9:.3g} GB/s")
    console.print(table)
