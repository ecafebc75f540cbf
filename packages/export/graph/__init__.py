"""ONNX graphs built from values with Python's operators, and the layers of the network in them."""
