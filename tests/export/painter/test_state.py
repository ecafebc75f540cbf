"""The state as one vector."""

import numpy as np

from export.graph.values import Value
from export.painter.state import StateLayout
from support.graphs import computed

LAYOUT = StateLayout(("version",), ("count",), ("loss",), ("image", "pairs"))


def test_unpacking_restores_every_value() -> None:
    image = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2)
    pairs = np.arange(8, dtype=np.float32).reshape(4, 2) / 7

    def packed(version: Value, count: Value, loss: Value, image: Value, pairs: Value) -> Value:
        return LAYOUT.pack({"version": version, "count": count, "loss": loss, "image": image, "pairs": pairs})

    vector = computed(packed, np.float32(1), np.int64(2**24), np.float32(0.1), image, pairs)

    def unpacked(vector: Value, height: Value) -> dict[str, Value]:
        shapes = {"image": (1, 3, height, 2), "pairs": (4, height)}
        size = LAYOUT.size(shapes)
        assert isinstance(size, Value)
        return {**LAYOUT.unpack(vector, shapes), "size": size}

    found = computed(unpacked, vector, np.int64(2))
    assert (found["count"], found["loss"], found["size"]) == (2**24, np.float32(0.1), len(vector))
    np.testing.assert_array_equal(found["image"], image)
    np.testing.assert_array_equal(found["pairs"], pairs)
