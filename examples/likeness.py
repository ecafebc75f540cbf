"""How alike paintings of one photograph in one style are: `python examples/likeness.py PHOTO STYLE PAINTING …`.

Each painting is brought to 256 pixels and judged there by one objective, that of the default layers. Of the style it
has taken what is missing of the photograph's own style loss, of the content it has lost what it has of the style
picture's content loss: both in percent, so that two paintings with the same two numbers stand equally between the
photograph and the style.
"""

import sys

from core import TransferConfig
from core.images import read_picture, resize
from core.pyramid import plan_scales
from core.torch_engine import TorchEngine

SIZE = 256


def main(photo: str, style: str, *paintings: str) -> None:
    """Print how much of the style each painting has taken, and how much of the content it has lost."""
    config = TransferConfig(image_size=SIZE, scales=1)
    content, manner = read_picture(photo), read_picture(style)
    (scale,) = plan_scales(content.size, [manner.size], config)
    engine = TorchEngine(config)
    photograph, reference = resize(content.pixels, scale.size), resize(manner.pixels, scale.style_size)
    judge = engine.objective(photograph, reference)
    untouched = judge(engine.to_array(photograph)).parts["style"]
    foreign = judge(engine.to_array(resize(manner.pixels, scale.size))).parts["content"]
    for painting in paintings:
        parts = judge(engine.to_array(resize(read_picture(painting).pixels, scale.size))).parts
        taken, lost = 100 * (1 - parts["style"] / untouched), 100 * parts["content"] / foreign
        sys.stdout.write(f"{painting}: style taken {taken:.1f} %, content lost {lost:.1f} %\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
