"""Description of the machine and its limits."""

import os

import msgspec
import torch

from bench.machine import available_devices, describe_machine, matmul_rate, measure_limits, supported_precisions


def test_describe_machine_describes_this_machine() -> None:
    machine = describe_machine()
    assert machine.cores == os.cpu_count()
    assert machine.versions["torch"] == torch.__version__.partition("+")[0]
    assert machine.cpu in machine.name
    assert (machine.gpu is None) == ("cuda" not in available_devices())
    msgspec.json.encode(machine)


def test_measure_limits_returns_plausible_rates_of_every_device() -> None:
    limits = measure_limits()
    assert [limit.device for limit in limits] == list(available_devices())
    for limit in limits:
        assert tuple(limit.flop_per_second) == supported_precisions(limit.device)
        # From a slow single core to far beyond any device: only a wrong unit is outside.
        assert all(1e9 < rate < 1e17 for rate in limit.flop_per_second.values())
        assert 1e8 < limit.bytes_per_second < 1e15


def test_matmul_rate_is_measured_once() -> None:
    assert matmul_rate("cpu", "fp32") == matmul_rate("cpu", "fp32")


def test_matmul_rate_restores_the_tf32_setting() -> None:
    before = torch.backends.cuda.matmul.allow_tf32
    matmul_rate("cpu", "fp32")
    assert torch.backends.cuda.matmul.allow_tf32 is before
