"""What a machine says of itself, and limits that hold."""

import json
import os

import torch

from bench.machine import describe_machine, devices, limits, precisions_of, product_rate


def test_it_describes_what_is_here() -> None:
    machine = describe_machine()
    assert machine["cores"] == os.cpu_count()
    assert machine["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert machine["cpu"] in machine["name"]
    assert (machine["gpu"] is None) == ("cuda" not in devices())
    json.dumps(machine)


def test_the_limits_are_rates_of_every_device() -> None:
    measured = limits()
    assert [limit["device"] for limit in measured] == list(devices())
    for limit in measured:
        assert tuple(limit["flop_per_second"]) == precisions_of(limit["device"])
        # From a slow single core to far beyond any device there is: what fails is a wrong unit.
        assert all(1e9 < rate < 1e17 for rate in limit["flop_per_second"].values())
        assert 1e8 < limit["bytes_per_second"] < 1e15


def test_a_limit_is_measured_once_so_that_all_results_share_it() -> None:
    assert product_rate("cpu", "fp32") == product_rate("cpu", "fp32")


def test_measuring_leaves_the_precision_of_products_alone() -> None:
    before = torch.backends.cuda.matmul.allow_tf32
    product_rate("cpu", "fp32")
    assert torch.backends.cuda.matmul.allow_tf32 is before
