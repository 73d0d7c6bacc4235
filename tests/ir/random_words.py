"""The random words, uniform and normal numbers, in Python's own integers: one element at a time.

Written from the definition, apart from graphc.ir.random.
"""

import math

import numpy as np

WORD = 2**32


def _mix(x: int) -> int:
    x ^= x >> 16
    x = x * 0x7FEB352D % WORD
    x ^= x >> 15
    x = x * 0x846CA68B % WORD
    return x ^ x >> 16


def word(key, element: int) -> int:
    """The word of one element under the key (k0, k1)."""
    k0, k1 = (int(k) for k in key)
    high, low = divmod(element, WORD)
    return _mix((_mix(low ^ k0) + k1 + high * 0x9E3779B9) % WORD)


def words(key, shape) -> np.ndarray:
    return np.array([word(key, e) for e in range(math.prod(shape))], np.uint32).reshape(shape)


def uniforms(key, shape) -> np.ndarray:
    return (words(key, shape) >> 8) / 2.0**24


def normals(key, shape) -> np.ndarray:
    """Box and Muller: the angle comes from the key moved on by the golden ratio's word."""
    other = [(int(k) + 0x9E3779B9) % WORD for k in key]
    pairs = zip(uniforms(key, shape).ravel(), uniforms(other, shape).ravel(), strict=True)
    return np.array([math.sqrt(-2 * math.log(1 - u)) * math.cos(2 * math.pi * v) for u, v in pairs]).reshape(shape)
