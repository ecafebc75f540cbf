"""Numerical comparison of artifacts with eager PyTorch."""
