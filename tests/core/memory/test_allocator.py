"""Buffers for saved activations, retained memory, and the policy that follows from a plan."""

import errno
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.memory import allocator
from core.memory.allocator import ActivationBufferPool, MemoryPolicy, trim_heap
from core.memory.out_of_memory import OutOfMemoryError, convert_out_of_memory_errors
from core.memory.plan import Plan
from core.network.vjp import save_by_reference


def features(seed: int, *shape: int, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    values = torch.rand(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)
    return values.contiguous(memory_format=torch.channels_last)


def test_a_saved_tensor_is_a_copy_in_the_same_layout() -> None:
    for dtype in (torch.bfloat16, torch.float32):
        given = features(0, 1, 5, 4, 3, dtype=dtype)
        saved = ActivationBufferPool().slot("a")(given)
        assert torch.equal(saved, given)
        assert (saved.dtype, saved.stride()) == (dtype, given.stride())
        assert saved.data_ptr() != given.data_ptr()


def test_a_slot_uses_its_buffers_again_and_no_others() -> None:
    pool = ActivationBufferPool()
    sizes = [(1, 4, 6, 5), (1, 2, 3, 3), (1, 4, 6, 5)]
    first, second = (
        {name: list(map(pool.slot(name), [features(seed, *size) for size in sizes])) for name in "ab"}
        for seed in (0, 1)
    )
    buffers = [saved.data_ptr() for name in "ab" for saved in first[name]]
    assert len(set(buffers)) == 6
    assert [saved.data_ptr() for name in "ab" for saved in second[name]] == buffers
    assert torch.equal(first["a"][2], features(1, *sizes[2]))


def test_tensors_of_another_shape_get_another_buffer() -> None:
    pool = ActivationBufferPool()
    small = pool.slot("a")(features(0, 1, 4, 6, 5))
    assert pool.slot("a")(features(1, 1, 4, 8, 8)).shape == (1, 4, 8, 8)
    assert torch.equal(small, features(0, 1, 4, 6, 5))


def test_another_owner_gets_new_buffers() -> None:
    pool = ActivationBufferPool()
    pool.acquire("first")
    saved = pool.slot("a")(features(0, 1, 4, 6, 5))
    pool.acquire("first")
    assert pool.slot("a")(features(1, 1, 4, 6, 5)).data_ptr() == saved.data_ptr()
    pool.acquire("second")
    assert pool.slot("a")(features(2, 1, 4, 6, 5)).data_ptr() != saved.data_ptr()
    assert torch.equal(saved, features(1, 1, 4, 6, 5))


def test_only_a_lack_of_memory_is_reported_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(code, "refused")

    monkeypatch.setattr(allocator.mmap, "mmap", refused)
    code = errno.ENOMEM
    with pytest.raises(OutOfMemoryError), convert_out_of_memory_errors():
        ActivationBufferPool().slot("a")(features(0, 1, 4, 6, 5))
    code = errno.EPERM
    with pytest.raises(OSError, match="refused"), convert_out_of_memory_errors():
        ActivationBufferPool().slot("a")(features(0, 1, 4, 6, 5))


PLAN = Plan((64, 48), 32, 20, 0, cached_tiles=2)


def test_policy_of_a_tight_plan_on_the_cpu() -> None:
    pool = ActivationBufferPool()
    policy = MemoryPolicy.of(PLAN, "cpu", pool)
    assert policy.buffers is pool
    assert policy.trim_afterwards
    given = features(0, 1, 4, 6, 5)
    assert policy.save_for_backward("tile")(given).data_ptr() != given.data_ptr()


@pytest.mark.parametrize(
    ("plan", "device"),
    [(replace(PLAN, retain_freed=True), "cpu"), (replace(PLAN, cached_tiles=0), "cpu"), (PLAN, "cuda")],
)
def test_policy_of_other_plans_saves_by_reference(plan: Plan, device: str) -> None:
    policy = MemoryPolicy.of(plan, device, ActivationBufferPool())
    assert policy.buffers is None
    assert policy.save_for_backward("tile") is save_by_reference
    assert policy.trim_afterwards == (device == "cpu" and not plan.retain_freed)


def test_policy_of_another_plan_releases_the_buffers() -> None:
    pool = ActivationBufferPool()
    given = features(0, 1, 4, 6, 5)
    saved = MemoryPolicy.of(PLAN, "cpu", pool).save_for_backward("tile")(given)
    again = MemoryPolicy.of(PLAN, "cpu", pool).save_for_backward("tile")(given)
    assert again.data_ptr() == saved.data_ptr()
    other = MemoryPolicy.of(replace(PLAN, tile_size=16), "cpu", pool).save_for_backward("tile")(given)
    assert other.data_ptr() != saved.data_ptr()


def test_a_scale_starts_without_buffers_and_with_a_trimmed_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[bool] = []
    monkeypatch.setattr(allocator, "trim_heap", lambda: trimmed.append(True))
    pool = ActivationBufferPool()
    given = features(0, 1, 4, 6, 5)
    saved = MemoryPolicy.of(PLAN, "cpu", pool).save_for_backward("tile")(given)
    MemoryPolicy.start_scale(pool)
    assert trimmed == [True]
    other = MemoryPolicy.of(PLAN, "cpu", pool).save_for_backward("tile")(given)
    assert other.data_ptr() != saved.data_ptr()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_exhausted_memory_is_returned(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[str] = []
    monkeypatch.setattr(allocator, "trim_heap", lambda: freed.append("cpu"))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: freed.append("cuda"))
    MemoryPolicy.after_exhaustion(device)
    assert freed == ["cpu", "cuda"][: 1 + (device == "cuda")]


def test_heap_is_trimmed_after_an_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[bool] = []
    monkeypatch.setattr(allocator, "trim_heap", lambda: trimmed.append(True))
    with MemoryPolicy(trim_afterwards=True).evaluation():
        assert not trimmed
    assert trimmed == [True]
    with MemoryPolicy().evaluation():
        pass
    assert trimmed == [True]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="trims the heap of glibc")
def test_trim_heap_returns_gaps_to_the_system() -> None:
    blocks = [bytes([1]) * 100_000 for _ in range(2000)]
    blocks = blocks[-1:]  # the block at the end of the heap
    before = resident()
    trim_heap()
    assert before - resident() > 100_000_000
    assert len(blocks) == 1


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="sets parameters of glibc")
def test_freed_memory_is_retained_in_the_block_and_returned_by_trim_heap() -> None:
    """In a new process, measured in resident pages: 64 MB, more than glibc retains by default."""
    code = """
import os
from core.memory.allocator import RETAIN_FREED, trim_heap

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

def rise():
    before = resident()
    pointer = malloc(64 << 20)
    ctypes.memset(pointer, 1, 64 << 20)
    free(pointer)
    return resident() - before

import ctypes
library = ctypes.CDLL(None)
malloc, free = library.malloc, library.free
malloc.restype, malloc.argtypes, free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
rises = [rise()]
with RETAIN_FREED:
    with RETAIN_FREED:
        rises.append(rise())
    rises.append(rise())
trim_heap()
rises.append(rise())
print(*rises)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, first, second, after = map(int, ran.stdout.split())
    assert before < 8
    assert first > 56
    assert second < 8  # in the pages of the first allocation
    assert after < 8
