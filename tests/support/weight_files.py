"""Weight files of a few convolutions in the formats of several programs."""

from collections.abc import Mapping
from pathlib import Path

import h5py
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from core.network.architecture import convolutions
from core.network.weights import Weights

State = dict[str, Tensor]
FIRST_THREE = convolutions("vgg19")[:3]  # conv1_1, conv1_2, conv2_1: enough of a network for a test


def first_convolutions() -> State:
    """Random weights of the first three convolutions under canonical names."""
    generator, state = torch.Generator().manual_seed(0), {}
    for conv in FIRST_THREE:
        state[f"{conv.name}.weight"] = torch.randn((conv.out_channels, conv.in_channels, 3, 3), generator=generator)
        state[f"{conv.name}.bias"] = torch.randn(conv.out_channels, generator=generator)
    return state


def rename(state: State, pattern: str) -> State:
    """Rename "conv1_2.weight" to `pattern`, which may contain {block}, {position}, {index} and {key}."""
    names = {}
    for conv in FIRST_THREE:
        block, position = conv.name.removeprefix("conv").split("_")
        for key in ("weight", "bias"):
            name = pattern.format(block=block, position=position, index=conv.torchvision_index, key=key)
            names[name] = state[f"{conv.name}.{key}"]
    return names


def assert_same_weights(weights: Weights, state: State) -> None:
    assert list(weights.state) == list(state)
    for key, tensor in weights.state.items():
        assert tensor.dtype == torch.float32
        assert tensor.is_contiguous()
        assert torch.equal(tensor, state[key]), key


def write_keras(
    path: Path,
    state: State,
    pattern: str = "block{block}_conv{position}/kernel:0 block{block}_conv{position}/bias:0",
) -> Path:
    """Write kernels (HWIO) and biases under the two names in `pattern`."""
    kernels, biases = pattern.split(" ")
    with h5py.File(path, "w") as file:
        for name, tensor in rename(state, kernels + "?{key}").items():
            if name.endswith("?weight"):
                file[name.removesuffix("?weight")] = tensor.permute(2, 3, 1, 0).numpy()
        for name, tensor in rename(state, biases + "?{key}").items():
            if name.endswith("?bias"):
                file[name.removesuffix("?bias")] = tensor.numpy()
    return path


def write_onnx(path: Path, state: State, metadata: Mapping[str, str] | None = None) -> Path:
    """Write a chain of convolutions whose initializers have meaningless names, in reverse order."""
    nodes, arrays, source = [], [], "image"
    for conv in FIRST_THREE:
        weight, bias = f"onnx::Conv_{len(arrays)}", f"onnx::Conv_{len(arrays) + 1}"
        arrays.append(numpy_helper.from_array(state[f"{conv.name}.weight"].numpy(), weight))
        arrays.append(numpy_helper.from_array(state[f"{conv.name}.bias"].numpy(), bias))
        nodes.append(helper.make_node("Conv", [source, weight, bias], [conv.name], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [conv.name], [f"relu{conv.name}"]))
        source = f"relu{conv.name}"
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, None, None])
    features = helper.make_tensor_value_info(source, TensorProto.FLOAT, None)
    model = helper.make_model(helper.make_graph(nodes, "vgg", [image], [features], arrays[::-1]))
    helper.set_model_props(model, dict(metadata or {}))
    onnx.save(model, path)
    return path
