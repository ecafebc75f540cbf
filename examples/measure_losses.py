"""Measure style and content of results: `python examples/measure_losses.py CONTENT STYLE RESULT …`.

All images are compared at 256 pixels by the default objective. Two numbers are printed for each result, in percent: the
reduction of the style loss of the content image, and the content loss relative to that of the style image. Results with
the same two numbers have the same position between the content image and the style image.
"""

import sys

from core import TransferConfig
from core.backends.torch_backend import TorchBackend
from core.image.reading import read_image
from core.image.resize import resize
from core.multiscale.schedule import build_schedule
from core.styles import StyleExemplar

SIZE = 256


def main(content: str, style: str, *results: str) -> None:
    """Print both numbers for each result."""
    config = TransferConfig(image_size=SIZE, scales=1)
    content_image, style_image = read_image(content), read_image(style)
    (scale,) = build_schedule(content_image.size, [style_image.size], config)
    backend = TorchBackend(config)
    plan = backend.plan(scale.size, scale.style_size)
    exemplar = StyleExemplar((resize(style_image.pixels, scale.style_size),))
    objective = backend.objective(resize(content_image.pixels, scale.size), [exemplar], plan)

    def losses(path: str) -> dict[str, float]:
        return dict(objective(backend.to_array(resize(read_image(path).pixels, scale.size), plan)).parts)

    style_of_content, content_of_style = losses(content)["style"], losses(style)["content"]
    for path in results:
        parts = losses(path)
        reduction, content_loss = 1 - parts["style"] / style_of_content, parts["content"] / content_of_style
        sys.stdout.write(f"{path}: style loss reduced by {reduction:.1%}, content loss {content_loss:.1%}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
