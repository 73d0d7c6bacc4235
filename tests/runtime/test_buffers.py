"""Buffers begin where a vector register may be filled from one cache line."""

import numpy as np
import pytest

from graphc.frontend_keras import backend as K
from graphc.runtime.buffers import copy_aligned, empty_aligned


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
