"""Counter-based random numbers in NumPy: this file is their meaning, the targets compute the same words.

A key comes from (seed, step, stream) by the cipher threefry2x32 with 20 rounds (Salmon, Moraes, Dror,
Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011); element e of a tensor of random words
depends on the key and on e alone, so the number of threads, the batch size and a resumed run do not change it.

What does not live here: the ops (ops_source.py), which seeds and streams layers use (the frontend).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

GOLDEN = 0x9E3779B9  # 2**32 divided by the golden ratio
PARITY = 0x1BD11BDA  # threefry's key parity constant for 32-bit words
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
MASK = 0xFFFFFFFF
RUN = 1 << 15  # elements that are made together


def threefry2x32(key: tuple[int, int], counter: tuple[int, int]) -> tuple[int, int]:
    """The two words that the cipher makes of the two words of `counter` under `key`."""
    keys = (key[0], key[1], key[0] ^ key[1] ^ PARITY)
    a, b = (counter[0] + keys[0]) & MASK, (counter[1] + keys[1]) & MASK
    for group in range(5):
        for rotation in ROTATIONS[group % 2]:
            a = (a + b) & MASK
            b = ((b << rotation) & MASK | b >> (32 - rotation)) ^ a
        a = (a + keys[(group + 1) % 3]) & MASK
        b = (b + keys[(group + 2) % 3] + group + 1) & MASK
    return a, b


def random_key(seed: int, step: int, stream: int) -> np.ndarray:
    """The key u32[2] of one random op: seed and step are taken as 64-bit words, stream as a 32-bit word."""
    counter = (step & MASK ^ (stream * GOLDEN) & MASK, (step >> 32) & MASK ^ stream & MASK)
    return np.array(threefry2x32((seed & MASK, (seed >> 32) & MASK), counter), np.uint32)


def mix32(x: np.ndarray) -> np.ndarray:
    """Words u32[...] mixed so that every bit depends on every other; a bijection.

    The multipliers are those of C. Wellons' "lowbias32", found by search for the least bias.
    """
    x = (x ^ x >> np.uint32(16)) * np.uint32(0x7FEB352D)
    x = (x ^ x >> np.uint32(15)) * np.uint32(0x846CA68B)
    return x ^ x >> np.uint32(16)


def random_bits(key: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Words u32[shape]: element number e (row-major) depends on the key u32[2] and on e alone."""
    return _in_runs(shape, np.dtype(np.uint32), lambda start, stop: _words(key, start, stop))


def random_uniform(key: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Numbers in [0, 1): the upper 24 bits of a word, times 2**-24; exact in float32."""
    return _in_runs(shape, dtype, lambda start, stop: _uniform(key, start, stop, dtype))


def second_key(key: np.ndarray) -> np.ndarray:
    """The key of the second stream of words that one random op may draw."""
    return key + np.uint32(GOLDEN)


def random_normal(key: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Normally distributed numbers, mean 0 and variance 1; at most 5.8 in size.

    G. Box and M. Muller, "A note on the generation of random normal deviates" (1958), the cosine half.
    """
    def normal(start: int, stop: int) -> np.ndarray:
        radius = np.sqrt(np.log(1 - _uniform(key, start, stop, dtype)) * -2)
        return np.cos(_uniform(second_key(key), start, stop, dtype) * dtype.type(2 * np.pi)) * radius

    return _in_runs(shape, dtype, normal)


def _words(key: np.ndarray, start: int, stop: int) -> np.ndarray:
    element = np.arange(start, stop, dtype=np.uint64)
    low, high = (element & np.uint64(MASK)).astype(np.uint32), (element >> np.uint64(32)).astype(np.uint32)
    k0, k1 = key.astype(np.uint32).reshape(2, 1)
    return mix32(mix32(low ^ k0) + k1 + high * np.uint32(GOLDEN))


def _uniform(key: np.ndarray, start: int, stop: int, dtype: np.dtype) -> np.ndarray:
    return (_words(key, start, stop) >> np.uint32(8)).astype(dtype) * dtype.type(2.0 ** -24)


def _in_runs(shape: tuple[int, ...], dtype: np.dtype, part: Callable[[int, int], np.ndarray]) -> np.ndarray:
    """Elements `part(start, stop)` of runs that a cache holds."""
    made = np.empty(int(np.prod(shape, dtype=np.int64)), dtype)
    for start in range(0, made.size, RUN):
        stop = min(start + RUN, made.size)
        made[start:stop] = part(start, stop)
    return made.reshape(shape)
