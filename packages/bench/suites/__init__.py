"""Benchmark suites for pytest-benchmark, and the workloads that they time."""
