"""Features that are kept in a workspace are the same ones, in the same memory each time."""

import errno

import pytest
import torch
from torch import Tensor

from core.memory import buffers as workspace
from core.memory.buffers import ActivationBufferPool
from core.memory.out_of_memory import OutOfMemoryError, raise_out_of_memory


def features(seed: int, *shape: int, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    values = torch.rand(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)
    return values.contiguous(memory_format=torch.channels_last)


def test_what_is_kept_is_a_copy_in_the_same_layout() -> None:
    for dtype in (torch.bfloat16, torch.float32):
        given = features(0, 1, 5, 4, 3, dtype=dtype)
        kept = ActivationBufferPool().shelf("a")(given)
        assert torch.equal(kept, given)
        assert (kept.dtype, kept.stride()) == (dtype, given.stride())
        assert kept.data_ptr() != given.data_ptr()


def test_places_are_used_again_and_others_left_alone() -> None:
    space = ActivationBufferPool()
    sizes = [(1, 4, 6, 5), (1, 2, 3, 3), (1, 4, 6, 5)]
    first, second = (
        {name: list(map(space.shelf(name), [features(seed, *size) for size in sizes])) for name in "ab"}
        for seed in (0, 1)
    )
    places = [kept.data_ptr() for name in "ab" for kept in first[name]]
    assert len(set(places)) == 6
    assert [kept.data_ptr() for name in "ab" for kept in second[name]] == places
    assert torch.equal(first["a"][2], features(1, *sizes[2]))


def test_other_features_get_another_place() -> None:
    space = ActivationBufferPool()
    small = space.shelf("a")(features(0, 1, 4, 6, 5))
    assert space.shelf("a")(features(1, 1, 4, 8, 8)).shape == (1, 4, 8, 8)
    assert torch.equal(small, features(0, 1, 4, 6, 5))


def test_it_is_empty_for_another_user() -> None:
    space = ActivationBufferPool()
    space.lend("first")
    kept = space.shelf("a")(features(0, 1, 4, 6, 5))
    space.lend("first")
    assert space.shelf("a")(features(1, 1, 4, 6, 5)).data_ptr() == kept.data_ptr()
    space.lend("second")
    assert space.shelf("a")(features(2, 1, 4, 6, 5)).data_ptr() != kept.data_ptr()
    assert torch.equal(kept, features(1, 1, 4, 6, 5))


def test_a_system_without_memory_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(code, "refused")

    monkeypatch.setattr(workspace.mmap, "mmap", refused)
    code = errno.ENOMEM
    with pytest.raises(OutOfMemoryError), raise_out_of_memory():
        ActivationBufferPool().shelf("a")(features(0, 1, 4, 6, 5))
    code = errno.EPERM
    with pytest.raises(OSError, match="refused"), raise_out_of_memory():
        ActivationBufferPool().shelf("a")(features(0, 1, 4, 6, 5))
