"""The objective as one ONNX graph: loss, and gradient with respect to the image."""
