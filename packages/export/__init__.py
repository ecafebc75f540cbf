"""Export of the feature extractor, the objective and the painter to TorchScript, torch.export and ONNX files.

Every artifact is compared with eager PyTorch before it is written. `export.runtime` runs ONNX artifacts without
PyTorch.
"""
