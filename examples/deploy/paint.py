"""Paints by plain gradient steps: python paint.py objective.onnx extractor.onnx cup.png night.png painting.png."""

import sys

import numpy as np
from features import gram, load, read, run
from PIL import Image

CONTENT_WEIGHT, STYLE_WEIGHT, TV_WEIGHT = 1.0, 0.1, 0.0
STEPS, STEP_SIZE = 30, 0.02


def main(objective_path: str, extractor_path: str, content_path: str, style_path: str, painting_path: str) -> None:
    """Compute the targets, walk the pixels downhill from the content, and save them."""
    extractor, _ = load(extractor_path)
    objective, manifest = load(objective_path)
    contents, styles, scale = manifest["content_taps"], manifest["style_taps"], manifest["activation_scale"]
    content, style = read(content_path), read(style_path)
    targets = {
        **{f"content/{tap}": features for tap, features in run(extractor, contents, image=content).items()},
        **{f"gram/{tap}": gram(features) for tap, features in run(extractor, styles, image=style).items()},
        "content_weights": np.full(len(contents), CONTENT_WEIGHT / scale**2, np.float32),
        "style_weights": np.full(len(styles), STYLE_WEIGHT / scale**4, np.float32),
        "tv_weight": np.array([TV_WEIGHT], np.float32),
    }
    image, mean, square = content, np.zeros_like(content), np.zeros_like(content)
    for step in range(1, STEPS + 1):  # Adam, kept inside [0, 1]
        found = run(objective, ["loss", "gradient"], image=image, **targets)
        print(f"step {step}  loss {found['loss']:.6e}")
        mean += 0.1 * (found["gradient"] - mean)
        square += 0.01 * (found["gradient"] ** 2 - square)
        change = mean / (1 - 0.9**step) / np.sqrt(square / (1 - 0.99**step) + 1e-12)
        image = np.clip(image - STEP_SIZE * change, 0, 1)
    Image.fromarray((image[0].transpose(1, 2, 0) * 255).round().astype(np.uint8)).save(painting_path)


if __name__ == "__main__":
    main(*sys.argv[1:])
