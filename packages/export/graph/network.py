"""A VGG network in an ONNX graph, forward and backward."""

from collections.abc import Mapping

import numpy as np
from torch import nn

from core.network.architecture import Layer, truncated
from core.network.vgg import VGGFeatures
from export.graph.layers import (
    average_pool,
    average_pool_backward,
    convolution,
    convolution_backward,
    max_pool,
    max_pool_backward,
    relu,
    relu_backward,
)
from export.graph.model import Initializers
from export.graph.values import Value


class GraphNetwork:
    """The layers of an extractor as functions of values of a graph.

    Attributes:
        layers: The layers, in order.
        initializers: The weights, by their names in `core.network.weights.Weights`.
    """

    def __init__(self, extractor: VGGFeatures, *, half_scale: float | None = None) -> None:
        """Read the weights of an extractor.

        With `half_scale` the graph computes in float16 and divides all activations by it: those of the Caffe networks
        exceed 20000, and the largest number in float16 is 65504. If the input and the biases are divided, so is every
        activation, because convolution and ReLU are homogeneous. At the end the features are multiplied by it in
        float32.
        """
        self.layers = truncated(extractor.arch, extractor.taps)
        self.initializers = Initializers()
        self._extractor, self._half_scale = extractor, half_scale
        for name, layer in extractor.layers.items():
            if isinstance(layer, nn.Conv2d):
                assert layer.bias is not None
                weight, bias = layer.weight, layer.bias
                if half_scale is not None:
                    weight, bias = weight.half(), (bias / half_scale).half()
                self.initializers.add(f"{name}.weight", weight.numpy())
                self.initializers.add(f"{name}.bias", bias.numpy())

    def features(self, image: Value) -> dict[str, Value]:
        """Return the output of every layer, (N, C, h, w), for `image` (N, 3, H, W), RGB in [0, 1]."""
        values = self._normalized(image)
        if self._half_scale is not None:
            values = values.cast(np.float16)
        features = {}
        for layer in self.layers:
            features[layer.name] = values = self._forward(layer, values)
        if self._half_scale is not None:
            scale = self._half_scale
            return {name: values.cast(np.float32) * scale for name, values in features.items()}
        return features

    def backward(self, features: Mapping[str, Value], grads: Mapping[str, Value]) -> Value:
        """Return dL/dimage, given the outputs of all layers, and the gradients with respect to some of them.

        The deepest layer has one of these gradients. In float16 there is no backward pass: gradients would underflow.
        """
        grad = grads[self.layers[-1].name]
        for position in reversed(range(len(self.layers))):
            layer = self.layers[position]
            if layer.name in grads and layer != self.layers[-1]:
                grad = grad + grads[layer.name]
            # Layer 0 is a convolution, which does not use its input.
            grad = self._backward(layer, grad, features, input_name=self.layers[position - 1].name)
        grad = grad / Value.constant(self._extractor.std.numpy(), grad.dtype)
        return grad.reversed(1) if self._extractor.bgr else grad

    def _normalized(self, image: Value) -> Value:
        """Return the input of the first layer: `core.network.vgg.VGGFeatures.normalize`, divided by `half_scale`."""
        extractor, ordered = self._extractor, image.reversed(1) if self._extractor.bgr else image
        std = extractor.std if self._half_scale is None else extractor.std * self._half_scale
        return (ordered - Value.constant(extractor.mean.numpy(), image.dtype)) / Value.constant(
            std.numpy(), image.dtype
        )

    def _forward(self, layer: Layer, values: Value) -> Value:
        if layer.kind == "conv":
            return convolution(values, self._stored(layer, "weight"), self._stored(layer, "bias"))
        if layer.kind == "relu":
            return relu(values)
        return average_pool(values) if self._extractor.pooling == "average" else max_pool(values)

    def _backward(self, layer: Layer, grad: Value, features: Mapping[str, Value], input_name: str) -> Value:
        if layer.kind == "conv":
            return convolution_backward(grad, self._stored(layer, "weight"))
        if layer.kind == "relu":
            return relu_backward(grad, features[layer.name])
        if self._extractor.pooling == "average":
            return average_pool_backward(grad, features[input_name])
        return max_pool_backward(grad, features[input_name], features[layer.name])

    def _stored(self, layer: Layer, kind: str) -> Value:
        return self.initializers.values[f"{layer.name}.{kind}"]
