"""Benchmarks of speed, memory and time to quality on CPU and CUDA."""
