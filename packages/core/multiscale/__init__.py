"""Coarse-to-fine optimisation: schedule, initial image, parametrization."""
