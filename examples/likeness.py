"""How alike paintings of one photograph in one style are: `python examples/likeness.py PHOTO STYLE PAINTING …`.

Each painting is brought to 256 pixels and judged there by one objective, that of the default layers. Of the style it
has taken what is missing of the photograph's own style loss, of the content it has lost what it has of the style
picture's content loss: both in percent, so that two paintings with the same two numbers stand equally between the
photograph and the style.
"""

import sys

from core import TransferConfig
from core.image.reading import read_image
from core.image.resize import resize
from core.multiscale.schedule import build_schedule
from core.backends.torch_backend import TorchBackend

SIZE = 256


def main(photo: str, style: str, *paintings: str) -> None:
    """Print how much of the style each painting has taken, and how much of the content it has lost."""
    config = TransferConfig(image_size=SIZE, scales=1)
    content, exemplar = read_image(photo), read_image(style)
    (scale,) = build_schedule(content.size, [exemplar.size], config)
    backend = TorchBackend(config)
    photograph, reference = resize(content.pixels, scale.size), resize(exemplar.pixels, scale.style_size)
    judge = backend.objective(photograph, reference)
    untouched = judge(backend.to_array(photograph)).parts["style"]
    foreign = judge(backend.to_array(resize(exemplar.pixels, scale.size))).parts["content"]
    for painting in paintings:
        parts = judge(backend.to_array(resize(read_image(painting).pixels, scale.size))).parts
        taken, lost = 100 * (1 - parts["style"] / untouched), 100 * parts["content"] / foreign
        sys.stdout.write(f"{painting}: style taken {taken:.1f} %, content lost {lost:.1f} %\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
