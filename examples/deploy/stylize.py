"""Style transfer with Adam: python stylize.py objective.onnx extractor.onnx cup.png night.png result.png."""

import sys

import numpy as np
from features import gram, load, read_image, run
from PIL import Image

CONTENT_WEIGHT, STYLE_WEIGHT, TV_WEIGHT = 1.0, 0.1, 0.0
STEPS, STEP_SIZE = 30, 0.02


def main(objective_path: str, extractor_path: str, content_path: str, style_path: str, result_path: str) -> None:
    """Compute the targets, minimize the loss from the content image, and save the result."""
    extractor, _ = load(extractor_path)
    objective, manifest = load(objective_path)
    content_taps, style_taps = manifest["content_taps"], manifest["style_taps"]
    scale = manifest["activation_scale"]
    content, style = read_image(content_path), read_image(style_path)
    targets = {
        **{f"content/{tap}": features for tap, features in run(extractor, content_taps, image=content).items()},
        **{f"gram/{tap}": gram(features) for tap, features in run(extractor, style_taps, image=style).items()},
        "content_weights": np.full(len(content_taps), CONTENT_WEIGHT / scale**2, np.float32),
        "style_weights": np.full(len(style_taps), STYLE_WEIGHT / scale**4, np.float32),
        "tv_weight": np.array([TV_WEIGHT], np.float32),
    }
    image, mean, square = content, np.zeros_like(content), np.zeros_like(content)
    for step in range(1, STEPS + 1):  # Adam, with the pixels clamped to [0, 1]
        evaluation = run(objective, ["loss", "gradient"], image=image, **targets)
        print(f"step {step}  loss {evaluation['loss']:.6e}")
        mean += 0.1 * (evaluation["gradient"] - mean)
        square += 0.01 * (evaluation["gradient"] ** 2 - square)
        change = mean / (1 - 0.9**step) / np.sqrt(square / (1 - 0.99**step) + 1e-12)
        image = np.clip(image - STEP_SIZE * change, 0, 1)
    Image.fromarray((image[0].transpose(1, 2, 0) * 255).round().astype(np.uint8)).save(result_path)


if __name__ == "__main__":
    main(*sys.argv[1:])
