"""Buffers begin where a vector register may be filled from one cache line."""

from pathlib import Path

import numpy as np
import pytest

from graphc import compiler
from graphc.compiler import compile_graph
from graphc.errors import OutOfMemoryError
from graphc.frontend_keras import backend as K
from graphc.ir.parser import parse
from graphc.runtime.buffers import copy_aligned, empty_aligned, most_memory
from graphc.runtime.cache import KernelCache


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (784, 64)])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "?"])
def test_arrays_begin_on_a_cache_line(shape, dtype):
    for _ in range(4):
        array = empty_aligned(shape, dtype)
        assert array.ctypes.data % 64 == 0
        assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_a_copy_is_apart_and_in_c_order():
    given = np.arange(12.0).reshape(3, 4).T
    copy = copy_aligned(given)
    given[0, 0] = 99
    assert copy.flags.c_contiguous
    assert copy[0, 0] == 0
    assert copy.tolist()[1:] == given.tolist()[1:]


def test_variables_begin_on_a_cache_line():
    for value in (np.ones((7, 3)), K.ones((5, 2))):
        assert K.variable(value).array.ctypes.data % 64 == 0


def test_an_output_that_the_machine_cannot_hold_is_refused_before_anything_is_compiled(monkeypatch, tmp_path):
    cache = KernelCache(tmp_path / "cache")
    monkeypatch.setattr(compiler, "kernel_cache", lambda: cache)
    text = "graph g(%x: f32[B,8]) {{\n%y = pad(%x){{low=(0,0), high=(0,{}), value=0.5}}\nreturn %y\n}}"
    rows = most_memory() // 4
    with pytest.raises(OutOfMemoryError, match=f"larger than the memory of this machine.*got f32.B,{rows + 1}. of {4 * (rows + 1)} bytes"):
        compile_graph(parse(text.format(rows + 1 - 8)))
    assert not list((tmp_path / "cache").iterdir())
    assert compile_graph(parse(text.format(3)))(np.ones((2, 8), "f4"))[0].shape == (2, 11)
    assert list((tmp_path / "cache").iterdir())


def test_memory_and_swap_are_what_the_system_says():
    words = Path("/proc/meminfo").read_text().split()
    told = sum(int(words[words.index(name) + 1]) << 10 for name in ("MemTotal:", "SwapTotal:"))
    assert most_memory() == pytest.approx(told, rel=0.1)  # the kernel keeps some for itself
    assert most_memory() > 1 << 28
