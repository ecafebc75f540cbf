"""Time-to-quality benchmark against other programs."""
