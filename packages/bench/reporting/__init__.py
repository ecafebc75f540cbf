"""Comparison of runs, reports and charts."""
