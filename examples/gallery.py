"""Runs the commands of docs/gallery.md and draws a strip of what each section painted: `python examples/gallery.py`.

Paintings that are there already are kept: delete one to have it painted again. With a word, such as `colour`, only the
sections whose title holds it.
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


def sections() -> dict[str, list[list[str]]]:
    """The commands of every section that has some, by its title."""
    found = {}
    for part in PAGE.read_text().split("\n## ")[1:]:
        title = part.partition("\n")[0]
        lines = re.findall(r"^python (-m core\.transfer .*)$", part, flags=re.MULTILINE)
        found[title] = [shlex.split(line) for line in lines]
    return {title: commands for title, commands in found.items() if commands}


def paint(command: list[str]) -> Path:
    """Run a command from the root, if its painting is not there, and return where that is."""
    output = ROOT / command[command.index("--output") + 1]
    if not output.exists():
        sys.stdout.write(f"python {shlex.join(command)}\n")
        subprocess.run([sys.executable, *command, "--quiet"], cwd=ROOT, check=True)
    return output


def draw_strip(paintings: list[Path], path: Path) -> None:
    """The paintings beside each other, all of one height."""
    row = []
    for painting in paintings:
        with Image.open(painting) as image:
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
    """What the strip of a section is called."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def draw_masks() -> None:
    """The cup with its saucer in the coffee photograph, and what is around it, softly."""
    cup = Image.new("L", (600, 400), 0)
    for saucer_or_cup in ((76, 66, 482, 390), (170, 14, 412, 300)):
        ImageDraw.Draw(cup).ellipse(saucer_or_cup, fill=255)
    cup = cup.filter(ImageFilter.GaussianBlur(4))
    MASKS.mkdir(exist_ok=True)
    cup.save(MASKS / "cup.png", optimize=True)
    cup.point(lambda value: 255 - value).save(MASKS / "table.png", optimize=True)


def main(word: str = "") -> None:
    """Paint and draw the sections whose title holds `word`."""
    draw_masks()
    for title, commands in sections().items():
        if word.lower() in title.lower():
            draw_strip([paint(command) for command in commands], STRIPS / f"{slug(title)}.jpg")


if __name__ == "__main__":
    main(*sys.argv[1:])
