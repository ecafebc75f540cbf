"""Run the commands of docs/gallery.md and draw one strip of results per section: `python examples/gallery.py`.

Existing results are not computed again: delete a file to repeat its run. With an argument, such as `colour`, only the
sections run whose titles contain it.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "gallery.md"
STRIPS = ROOT / "docs" / "gallery"
MASKS = ROOT / "examples" / "masks"
HEIGHT, GAP = 280, 6
"""Height of a strip, and distance between its images, in pixels."""


def sections() -> dict[str, list[list[str]]]:
    """Return the commands of every section that has some, by its title."""
    found = {}
    for part in PAGE.read_text().split("\n## ")[1:]:
        title = part.partition("\n")[0]
        lines = re.findall(r"^python (-m core\.transfer .*)$", part, flags=re.MULTILINE)
        found[title] = [shlex.split(line) for line in lines]
    return {title: commands for title, commands in found.items() if commands}


def run(command: list[str]) -> Path:
    """Run a command in the root of the repository if its output does not exist, and return the output."""
    output = ROOT / command[command.index("--output") + 1]
    if not output.exists():
        output.parent.mkdir(exist_ok=True)
        sys.stdout.write(f"python {shlex.join(command)}\n")
        subprocess.run([sys.executable, *command, "--quiet"], cwd=ROOT, check=True)
    return output


def draw_strip(images: list[Path], path: Path) -> None:
    """Draw the images side by side, all with the same height."""
    row = []
    for source in images:
        with Image.open(source) as image:
            width = round(image.width * HEIGHT / image.height)
            row.append(image.convert("RGB").resize((width, HEIGHT), Image.Resampling.LANCZOS))
    strip = Image.new("RGB", (sum(image.width + GAP for image in row) - GAP, HEIGHT), "white")
    left = 0
    for image in row:
        strip.paste(image, (left, 0))
        left += image.width + GAP
    path.parent.mkdir(exist_ok=True)
    strip.save(path, quality=88)


def slug(title: str) -> str:
    """Return the file name of the strip of a section, without its extension."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def draw_masks() -> None:
    """Draw the masks of the cup with its saucer and of the table around it, with soft edges."""
    cup = Image.new("L", (600, 400), 0)
    for ellipse in ((76, 66, 482, 390), (170, 14, 412, 300)):
        ImageDraw.Draw(cup).ellipse(ellipse, fill=255)
    cup = cup.filter(ImageFilter.GaussianBlur(4))
    MASKS.mkdir(exist_ok=True)
    cup.save(MASKS / "cup.png", optimize=True)
    cup.point(lambda value: 255 - value).save(MASKS / "table.png", optimize=True)


def main(word: str = "") -> None:
    """Run and draw the sections whose titles contain `word`."""
    draw_masks()
    for title, commands in sections().items():
        if word.lower() in title.lower():
            draw_strip([run(command) for command in commands], STRIPS / f"{slug(title)}.jpg")


if __name__ == "__main__":
    main(*sys.argv[1:])
