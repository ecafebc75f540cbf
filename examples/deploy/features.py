"""Prints how strong the features of a picture are: python features.py extractor.onnx cup.png."""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image


def load(path: str) -> tuple[onnxruntime.InferenceSession, dict]:
    """An artifact, and what it says of itself."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session, json.loads(session.get_modelmeta().custom_metadata_map["manifest"])


def read(path: str) -> np.ndarray:
    """A picture as (1, 3, height, width), float32 RGB in [0, 1]."""
    pixels = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def run(session: onnxruntime.InferenceSession, outputs: list[str], **inputs: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs, by their names."""
    return dict(zip(outputs, session.run(outputs, inputs), strict=True))


def gram(features: np.ndarray) -> np.ndarray:
    """The Gram matrix (1, channels, channels) of features (1, channels, h, w), divided by the positions h * w."""
    flat = features.reshape(*features.shape[:2], -1)
    return flat @ flat.transpose(0, 2, 1) / flat.shape[2]


def main(artifact: str, picture: str) -> None:
    """A line for each layer."""
    extractor, manifest = load(artifact)
    for tap, features in run(extractor, manifest["taps"], image=read(picture)).items():
        shape = " x ".join(map(str, features.shape[1:]))
        print(f"{tap}  {shape}  mean {features.mean():.6e}  gram {np.linalg.norm(gram(features)):.6e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
