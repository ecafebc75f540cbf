"""Draw the style pictures in `style/`: run `python examples/make_styles.py`.

Every picture is drawn by the project's own code from a fixed seed, so a run repeats the same files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from studio.autumn import autumn
from studio.glass import glass
from studio.ink import ink
from studio.mosaic import mosaic
from studio.night import night
from studio.tools import save
from studio.woodcut import woodcut

SEED = 1
FOLDER = Path(__file__).parent / "style"


def main() -> None:
    """Draw each style and write it as style/NAME.jpg."""
    FOLDER.mkdir(exist_ok=True)
    for style in (night, autumn, glass, woodcut, ink, mosaic):
        save(style(np.random.default_rng(SEED)), FOLDER / f"{style.__name__}.jpg")


if __name__ == "__main__":
    main()
