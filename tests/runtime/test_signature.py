"""What a compiled graph is called with: numbers that its inputs cannot hold.

What does not live here: counts, ranks and sizes of inputs (test_executable.py).
"""

import itertools

import numpy as np
import pytest

from graphc.errors import DTypeError
from graphc.runtime.signature import in_type


@pytest.mark.parametrize("dtype", ["i1", "i4", "i8", "u1", "u4", "u8"])
def test_numbers_that_an_integer_type_does_not_hold_are_refused(dtype):
    """Against Python's own numbers, which are exact."""
    held = np.iinfo(dtype)
    numbers = [0, 1, -1, 100, 300, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1, -2**31, -2**31 - 1, -2**63]
    for given, number in itertools.product(["i1", "i8", "u8", ">i8"], numbers):
        if np.iinfo(given).min <= number <= np.iinfo(given).max:
            _check_held(np.array([[1, number]], given), number, dtype, held.min <= number <= held.max)
    floats = [*map(float, numbers), 2.0**64, -2.0**64, 1.5, -0.5, 1e30, np.nan, np.inf, -np.inf]
    for given, number in itertools.product(["f2", "f4", "f8", ">f4"], floats):
        with np.errstate(over="ignore"):
            array = np.array([[1, number]]).astype(given)
        exact = float(array[0, 1])
        _check_held(array, exact, dtype, np.isfinite(exact) and exact.is_integer() and held.min <= int(exact) <= held.max)


def _check_held(array, number, dtype, held):
    if held:
        np.testing.assert_array_equal(in_type(array, np.dtype(dtype), "x"), np.array([[1, int(number)]], dtype), strict=True)
    else:
        with pytest.raises(DTypeError, match=r"x: a number that the input cannot hold.*at position \(0, 1\)"):
            in_type(array, np.dtype(dtype), "x")


def test_what_fits_a_float_type_or_has_no_elements_is_converted_without_a_look():
    np.testing.assert_array_equal(in_type(np.array([1.5, np.nan]), np.dtype("f4"), "x"), np.array([1.5, np.nan], "f4"), strict=True)
    np.testing.assert_array_equal(in_type(np.empty((0, 2)), np.dtype("i4"), "x"), np.empty((0, 2), "i4"), strict=True)
    same = np.ones(3, "i4")
    assert in_type(same, np.dtype("i4"), "x") is same
