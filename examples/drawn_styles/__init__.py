"""Code that draws the style images: shared tools, a brush, and one module per image."""
