"""Read, resize, recolour and write images. NumPy and Pillow only."""
