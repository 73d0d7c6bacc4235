"""Counter-based random words, as graphc.ir.random defines them.

What does not live here: distributions other than the uniform one (they are graphs of these).
mix32 is a bijection of 32-bit words (two rounds of shift, xor and multiply); threefry2x32 is the cipher of Salmon,
Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), with 20 rounds. Words are uint32;
integers of other types are taken modulo 2**32.
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from graphc.codegen_cpu.vmath.lane import SINGLE, Lane

GOLDEN = 0x9E3779B9
PARITY = 0x1BD11BDA
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def _words(name: str, operands: tuple[types.Type, ...]) -> tuple[types.Type, ...]:
    plain = tuple(types.unliteral(operand) for operand in operands)
    if not all(isinstance(operand, types.Integer) for operand in plain):
        raise TypingError(f"{name} takes integers, got {', '.join(str(operand) for operand in operands)}")
    return plain


def _lanes(builder: ir.IRBuilder, values: Any) -> list[Lane]:
    return [Lane(builder, value) for value in values]


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


@intrinsic
def mix32(typing: Any, x: types.Type) -> Any:
    """A word mixed so that every bit depends on every other."""
    def lower(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        (lane,) = _lanes(builder, values)
        return _mix(lane.integer(32)).value

    return types.uint32(*_words("mix32", (x,))), lower


@intrinsic
def random_bits(typing: Any, k0: types.Type, k1: types.Type, element: types.Type) -> Any:
    """Element number `element` (int64) of a random tensor of words, under the key (k0, k1)."""
    def lower(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        return _bits(*_lanes(builder, values)).value

    return types.uint32(*_words("random_bits", (k0, k1, element))), lower


@intrinsic
def random_uniform(typing: Any, k0: types.Type, k1: types.Type, element: types.Type) -> Any:
    """As random_bits, but a float32 in [0, 1): the upper 24 bits times 2**-24."""
    def lower(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        upper = _bits(*_lanes(builder, values)) >> 8
        return (upper.to_float(SINGLE) * 2.0 ** -24).value

    return types.float32(*_words("random_uniform", (k0, k1, element))), lower


@intrinsic
def threefry2x32(typing: Any, k0: types.Type, k1: types.Type, c0: types.Type, c1: types.Type) -> Any:
    """The two words that the key (k0, k1) makes of the counter (c0, c1), as a tuple."""
    def lower(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        pair = _threefry(*(lane.integer(32) for lane in _lanes(builder, values)))
        return context.make_tuple(builder, signature.return_type, [lane.value for lane in pair])

    return types.UniTuple(types.uint32, 2)(*_words("threefry2x32", (k0, k1, c0, c1))), lower
