"""Comparison of the exported artifacts in other runtimes with ONNX Runtime; writes the table of docs/runtimes.md."""
