"""Check that two checkouts of this repository compute the same images, pixel for pixel, on this machine.

    python scripts/compare_outputs.py OLD NEW --output DIR

Runs the same commands with the packages of each checkout and prints one table row per command. The exit status is 1 if
any output differs. Both checkouts run in the current Python environment. Finished outputs are not computed again, so
that the old checkout needs to run only once.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

EXAMPLES = Path(__file__).parents[1] / "examples"
COFFEE, ROCKET = EXAMPLES / "content" / "coffee.jpg", EXAMPLES / "content" / "rocket.jpg"
NIGHT, GLASS, WOODCUT = (EXAMPLES / "style" / f"{name}.jpg" for name in ("night", "glass", "woodcut"))
CUP = EXAMPLES / "masks" / "cup.png"

SHORT = ["--image-size", "384", "--iterations", "16"]
COFFEE_AT_NIGHT = ["--content", COFFEE, "--style", NIGHT, *SHORT]

RUNS: dict[str, list[str | Path]] = {
    "default": ["--content", COFFEE, "--style", NIGHT],
    "preset firekind": [*COFFEE_AT_NIGHT, "--preset", "firekind"],
    "preset gatys2015": [*COFFEE_AT_NIGHT, "--preset", "gatys2015"],
    "preset johnson": [*COFFEE_AT_NIGHT, "--preset", "johnson"],
    "preset crowson": [*COFFEE_AT_NIGHT, "--preset", "crowson"],
    "region": ["--content", COFFEE, "--region", f"{CUP}={GLASS}", *SHORT],
    "two styles, luminance": [
        *("--content", ROCKET, "--style", f"{NIGHT}:0.7", "--style", f"{WOODCUT}:0.3"),
        *("--preserve-color", "luminance", *SHORT),
    ],
    "tiles of 256": ["--content", ROCKET, "--style", GLASS, "--tile-size", "256", *SHORT],
    "two processes": ["--content", ROCKET, "--style", GLASS, *SHORT],
    "fp32": [*COFFEE_AT_NIGHT, "--precision", "fp32"],
    "sliced-wasserstein, strength": [*COFFEE_AT_NIGHT, "--style-loss", "sliced-wasserstein", "--strength", "0.4"],
    "wasserstein, tiles": [*COFFEE_AT_NIGHT, "--style-loss", "wasserstein", "--tile-size", "256"],
    "adam, noise": [*COFFEE_AT_NIGHT, "--optimizer", "adam", "--init", "noise", "--averaging", "0.9"],
    "ONNX objective": [*COFFEE_AT_NIGHT],
}


def main() -> int:
    """Run every command in both checkouts and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="directory for the images")
    parser.add_argument("--only", nargs="*", default=list(RUNS), choices=list(RUNS), metavar="RUN")
    arguments = parser.parse_args()
    equal = True
    sys.stdout.write("| run | size | equal pixels | largest difference | seconds old, new |\n|---|---|---|---|---|\n")
    for name in arguments.only:
        outputs, seconds = [], []
        for side, checkout in (("old", arguments.old), ("new", arguments.new)):
            path = arguments.output / side / f"{name.replace(' ', '-').replace(',', '')}.png"
            seconds.append(0.0 if path.exists() else run(checkout.resolve(), name, path))
            with Image.open(path) as image:
                outputs.append(np.asarray(image, np.int16))
        old, new = outputs
        same = old.shape == new.shape and bool((old == new).all())
        share = float((old == new).all(-1).mean()) if old.shape == new.shape else 0.0
        largest = int(abs(old - new).max()) if old.shape == new.shape else 255
        size = f"{new.shape[1]}x{new.shape[0]}"
        sys.stdout.write(f"| {name} | {size} | {share:.2%} | {largest} | {seconds[0]:.0f}, {seconds[1]:.0f} |\n")
        sys.stdout.flush()
        equal &= same
    return 0 if equal else 1


def run(checkout: Path, name: str, output: Path) -> float:
    """Run the command of that name with the packages of `checkout`; return its seconds."""
    output.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"PYTHONPATH": str(checkout / "packages")}
    python = [sys.executable]
    options = [str(option) for option in RUNS[name]]
    if name == "ONNX objective":
        for kind in ("objective", "extractor"):
            artifact = output.parent / f"{kind}.onnx"
            export = [*python, "-m", "export", kind, "--output", str(artifact)]
            subprocess.run(export, env=environment, cwd=output.parent, check=True, capture_output=True)
            options += [f"--{kind}", str(artifact)]
    if name == "two processes":
        python += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    started = time.perf_counter()
    command = [*python, "-m", "core.transfer", *options, "--output", str(output), "--quiet"]
    subprocess.run(command, env=environment, cwd=output.parent, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
