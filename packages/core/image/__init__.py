"""Read, resize, recolour and write images, with NumPy and Pillow."""
