"""Writes deployable artifacts, proves them equal to eager PyTorch, and runs them without it."""
