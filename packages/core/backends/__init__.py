"""Backends that compute the objective: PyTorch, ONNX Runtime."""
