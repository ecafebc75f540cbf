"""Compare and report benchmark results."""
