"""Draw the style images in `style/`: `python examples/draw_styles.py`.

The code in `drawn_styles/` draws each image from a fixed seed, so every run writes the same files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from drawn_styles.autumn import autumn
from drawn_styles.glass import glass
from drawn_styles.ink import ink
from drawn_styles.mosaic import mosaic
from drawn_styles.night import night
from drawn_styles.tools import save
from drawn_styles.woodcut import woodcut

SEED = 1
FOLDER = Path(__file__).parent / "style"


def main() -> None:
    """Draw each style and write it as style/NAME.jpg."""
    FOLDER.mkdir(exist_ok=True)
    for style in (night, autumn, glass, woodcut, ink, mosaic):
        save(style(np.random.default_rng(SEED)), FOLDER / f"{style.__name__}.jpg")


if __name__ == "__main__":
    main()
