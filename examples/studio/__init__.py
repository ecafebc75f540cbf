"""The studio in which the style pictures are drawn: shared tools, a brush, and one module per picture."""
