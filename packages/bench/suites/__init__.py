"""Benchmark suites for pytest-benchmark."""
