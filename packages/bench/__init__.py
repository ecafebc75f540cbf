"""Measures how fast and how well the toolkit paints, on CPU and CUDA, with pytest-benchmark."""
