"""Numerical checks of artifacts against PyTorch."""
