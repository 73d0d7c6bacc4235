"""What the functions of kernels mean: their own definitions here, or the references of ops.

What does not live here: functions that look at other threads (interpreter.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from graphc.ir import random
from graphc.ir.spec import op_spec

TRANSCENDENTAL = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "power", "sin", "cos", "rsqrt")
Array = np.ndarray
_DTYPES = {"boolean": np.bool_, **{name: getattr(np, name) for name in (
    "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")}}


def promoted(value: Any) -> Any:
    """An operand of arithmetic: Numba makes integers 64 bits wide."""
    kind, size = np.asarray(value).dtype.kind, np.asarray(value).dtype.itemsize
    if kind == "i" and size < 8:
        return np.asarray(value).astype(np.int64)
    return np.asarray(value).astype(np.uint64) if kind == "u" and size < 8 else value


def dtype_of_name(name: str) -> Any:
    return _DTYPES.get(name)


def _word(x: Any) -> Array:
    return (np.asarray(x).astype(np.int64) & 0xFFFFFFFF).astype(np.uint32)


def _random_bits(k0: Any, k1: Any, element: Any) -> Array:
    low, high = _word(element), _word(np.asarray(element).astype(np.int64) >> 32)
    return random.mix32(random.mix32(low ^ _word(k0)) + _word(k1) + high * np.uint32(random.GOLDEN))


def _random_uniform(k0: Any, k1: Any, element: Any) -> Array:
    return (_random_bits(k0, k1, element) >> np.uint32(8)).astype(np.float32) * np.float32(2.0 ** -24)


def _threefry(k0: Any, k1: Any, c0: Any, c1: Any) -> tuple[Array, ...]:
    words = [int(np.ravel(_word(x))[0]) for x in (k0, k1, c0, c1)]  # one thread makes a key
    made = random.threefry2x32((words[0], words[1]), (words[2], words[3]))
    return tuple(np.array([word], np.uint32) for word in made)


def _first_bit(x: Any) -> Array:
    low = np.asarray(x) & -np.asarray(x)
    return np.where(low == 0, 0, np.log2(np.maximum(low, 1).astype(np.float64))).astype(np.int64)


def _rounded(x: Any, bits: int, to_even: bool) -> Array:
    """The bits of float32 numbers without their last `bits`, to the nearest; ties to even, or away from zero."""
    word = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    half = np.uint64(1 << bits - 1)
    up = half - np.uint64(1) + (word >> np.uint64(bits) & np.uint64(1)) if to_even else half
    finite = word & np.uint64(0x7F800000) != 0x7F800000
    return (np.where(finite, word + up, word) >> np.uint64(bits) << np.uint64(bits)).astype(np.uint32)


def _tf32(x: Any) -> Array:
    return _rounded(x, 13, to_even=False).view(np.float32)


def low_bits(x: Any) -> Array:
    """Whether a float32 has bits that a tf32 has not; what a NaN carries does not count."""
    return (np.asarray(x, np.float32).view(np.uint32) & np.uint32(0x1FFF) != 0) & ~np.isnan(x)


def _to_bfloat16_pair(low: Any, high: Any) -> Array:
    return (_rounded(low, 16, to_even=True) >> np.uint32(16)) | _rounded(high, 16, to_even=True)


def bfloat16_pair(word: Array) -> tuple[Array, Array]:
    return (word << np.uint32(16)).view(np.float32), (word & np.uint32(0xFFFF0000)).view(np.float32)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "quotient": lambda a, b: np.floor_divide(a, b), "rest": lambda a, b: np.remainder(a, b),
    "first_bit": _first_bit, "without_first_bit": lambda x: np.asarray(x) & (np.asarray(x) - 1),
    "tf32": _tf32, "bfloat16_pair": _to_bfloat16_pair, "random_bits": _random_bits,
    "random_uniform": _random_uniform, "threefry2x32": _threefry}


@cache
def meaning_of(name: str) -> Callable[..., Any]:
    """What a function of kernels means: its own definition here, or the op's reference."""
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    reference = op_spec(name).reference

    def whole(*operands: Any) -> Any:
        """Functions with a rounding error of their own are computed in float64 and rounded once."""
        arrays = np.broadcast_arrays(*operands)
        if name in TRANSCENDENTAL and arrays[0].dtype == np.float32:
            return reference(*(array.astype(np.float64) for array in arrays)).astype(np.float32)
        return reference(*arrays)

    return whole
