"""Counter-based random numbers in NumPy: the meaning of random_key, random_bits, random_uniform.

A key is Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) of the
step and the stream under the seed. An element is two rounds of a 32-bit mixer of its index under the key.
"""

from __future__ import annotations

import numpy as np

_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_MASK = 0xFFFFFFFF
GOLDEN = 0x9E3779B9


def threefry2x32(key: tuple[int, int], counter: tuple[int, int]) -> tuple[int, int]:
    """Two 32-bit words from two 32-bit key words and two 32-bit counter words; 20 rounds."""
    keys = (key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDA)
    x, y = (counter[0] + keys[0]) & _MASK, (counter[1] + keys[1]) & _MASK
    for i in range(20):
        x = (x + y) & _MASK
        r = _ROTATIONS[i % 8]
        y = ((y << r | y >> (32 - r)) & _MASK) ^ x
        if i % 4 == 3:
            n = i // 4 + 1
            x = (x + keys[n % 3]) & _MASK
            y = (y + keys[(n + 1) % 3] + n) & _MASK
    return x, y


def key(seed: int, step: int, stream: int) -> np.ndarray:
    """u32[2] for one stream of one step."""
    counter = (step ^ stream * GOLDEN) & _MASK, (step >> 32 ^ stream) & _MASK
    return np.array(threefry2x32((seed & _MASK, seed >> 32 & _MASK), counter), np.uint32)


def mix32(x: np.ndarray) -> np.ndarray:
    """A bijection of 32-bit words (u32 in, u32 out)."""
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def bits(key: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """u32 of the given shape."""
    index = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint64)
    low, high = (index & np.uint64(_MASK)).astype(np.uint32), (index >> np.uint64(32)).astype(np.uint32)
    return mix32(mix32(low ^ key[0]) + key[1] + high * np.uint32(GOLDEN)).reshape(shape)


def uniform(key: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """f32 in [0, 1), 24 bits each."""
    return (bits(key, shape) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
