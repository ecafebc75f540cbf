"""Style transfer with one file: python paint.py painter.onnx cup.png night.png result.png [evaluations]."""

import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def main(painter_path: str, content_path: str, style_path: str, result_path: str, evaluations: str = "270") -> None:
    """Call the painter ten evaluations at a time until it is finished, and save the result."""
    session = onnxruntime.InferenceSession(painter_path)
    names = [output.name for output in session.get_outputs()]
    inputs = {
        "content": read_image(content_path),
        "style": read_image(style_path),
        "image_size": np.array([], np.int64),  # empty settings have the values of the export
        "evaluations": np.array([int(evaluations)]),
        "strength": np.array([], np.float32),
        "passes": np.array([10]),
        "state": np.array([], np.float32),
    }
    status = 0
    while status == 0:
        outputs = dict(zip(names, session.run(names, inputs), strict=True))
        status = outputs["status"].item()
        if status < 0:
            sys.exit(f"the painter refuses its inputs: status {status}")
        print(f"evaluation {outputs['evaluations_made']}  loss {outputs['losses'][-1:]}")
        inputs["state"] = outputs["next_state"]
    Image.fromarray(outputs["image"]).save(result_path)


def read_image(path: str) -> np.ndarray:
    """Return an image, uint8 (H, W, 3)."""
    return np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))


if __name__ == "__main__":
    main(*sys.argv[1:])
