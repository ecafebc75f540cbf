"""Extractors whose features are a tuple, which converters accept that accept no dictionary."""

from torch import Tensor, fx, nn

from core.network.vgg import VGGFeatures
from export.formats.half import HalfExtractor


class TupleExtractor(nn.Module):
    """An extractor that returns its features as a tuple, in the order of its taps."""

    def __init__(self, extractor: nn.Module) -> None:
        """`extractor` returns a dictionary."""
        super().__init__()
        self.extractor = extractor

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the features (N, C, h, w) of `image` (N, 3, H, W)."""
        return tuple(self.extractor(image).values())


def without_dictionary(module: TupleExtractor) -> nn.Module:
    """Return a module that calls the layers one after the other, with no dictionary in between.

    TorchScript would keep the dictionary, and has no tuples of any length.
    """
    graph = _LayerTracer().trace(module)
    graph.output_node().type = None  # TorchScript infers the length of the tuple
    return fx.GraphModule(module, graph)


class _LayerTracer(fx.Tracer):
    """Traces down to the layers: a layer in half precision chooses its precision when it runs."""

    def is_leaf_module(self, module: nn.Module, module_qualified_name: str) -> bool:
        """Return whether `module` is a layer."""
        return not isinstance(module, TupleExtractor | HalfExtractor | VGGFeatures)
