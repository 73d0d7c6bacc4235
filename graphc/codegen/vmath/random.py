"""Counter-based random words, as graphc.ir.random defines them.

What does not live here: distributions other than the uniform one (they are graphs of these).
mix32 is a bijection of 32-bit words (two rounds of shift, xor and multiply); threefry2x32 is the cipher of Salmon,
Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), with 20 rounds. Words are uint32;
integers of other types are taken modulo 2**32.
"""

from graphc.codegen.vmath.functions import on_words
from graphc.codegen.vmath.lane import SINGLE, Lane

GOLDEN = 0x9E3779B9
PARITY = 0x1BD11BDA
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def _mix(x: Lane) -> Lane:
    x = (x ^ (x >> 16)) * 0x7FEB352D
    x = (x ^ (x >> 15)) * 0x846CA68B
    return x ^ (x >> 16)


def _bits(k0: Lane, k1: Lane, element: Lane) -> Lane:
    """The word of one element of a random tensor."""
    wide = element.integer(64)
    low, high = wide.integer(32), (wide >> 32).integer(32)
    return _mix(_mix(low ^ k0.integer(32)) + k1.integer(32) + high * GOLDEN)


def _threefry(k0: Lane, k1: Lane, c0: Lane, c1: Lane) -> tuple[Lane, Lane]:
    keys = (k0, k1, k0 ^ k1 ^ PARITY)
    a, b = c0 + keys[0], c1 + keys[1]
    for group in range(5):
        for rotation in ROTATIONS[group % 2]:
            a = a + b
            b = ((b << rotation) | (b >> (32 - rotation))) ^ a
        a = a + keys[(group + 1) % 3]
        b = b + keys[(group + 2) % 3] + (group + 1)
    return a, b


@on_words("uint32")
def mix32(x: Lane) -> Lane:
    """A word mixed so that every bit depends on every other."""
    return _mix(x.integer(32))


@on_words("uint32")
def random_bits(k0: Lane, k1: Lane, element: Lane) -> Lane:
    """Element number `element` (int64) of a random tensor of words, under the key (k0, k1)."""
    return _bits(k0, k1, element)


@on_words("float32")
def random_uniform(k0: Lane, k1: Lane, element: Lane) -> Lane:
    """As random_bits, but a float32 in [0, 1): the upper 24 bits times 2**-24."""
    return (_bits(k0, k1, element) >> 8).to_float(SINGLE) * 2.0 ** -24


@on_words("uint32", "uint32")
def threefry2x32(k0: Lane, k1: Lane, c0: Lane, c1: Lane) -> tuple[Lane, Lane]:
    """The two words that the key (k0, k1) makes of the counter (c0, c1), as a tuple."""
    return _threefry(*(lane.integer(32) for lane in (k0, k1, c0, c1)))
