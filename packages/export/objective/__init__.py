"""The objective as an ONNX graph."""
