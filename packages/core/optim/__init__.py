"""Optimisers over images in the box [0, 1]."""
