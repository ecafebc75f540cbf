"""The whole optimisation as one ONNX graph: images in, the result out."""
