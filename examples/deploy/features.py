"""Print statistics of the features of an image: python features.py extractor.onnx cup.png."""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image


def load(path: str) -> tuple[onnxruntime.InferenceSession, dict]:
    """Return a session for the artifact at `path`, and its manifest."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session, json.loads(session.get_modelmeta().custom_metadata_map["manifest"])


def read_image(path: str) -> np.ndarray:
    """Return an image as (1, 3, height, width), float32 RGB in [0, 1]."""
    pixels = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def run(session: onnxruntime.InferenceSession, outputs: list[str], **inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Return the named outputs."""
    return dict(zip(outputs, session.run(outputs, inputs), strict=True))


def gram(features: np.ndarray) -> np.ndarray:
    """Return the Gram matrix (1, channels, channels) of features (1, channels, h, w), divided by h * w."""
    flat = features.reshape(*features.shape[:2], -1)
    return flat @ flat.transpose(0, 2, 1) / flat.shape[2]


def main(extractor_path: str, image_path: str) -> None:
    """Print one line per layer."""
    extractor, manifest = load(extractor_path)
    for tap, features in run(extractor, manifest["taps"], image=read_image(image_path)).items():
        shape = " x ".join(map(str, features.shape[1:]))
        print(f"{tap}  {shape}  mean {features.mean():.6e}  gram {np.linalg.norm(gram(features)):.6e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
