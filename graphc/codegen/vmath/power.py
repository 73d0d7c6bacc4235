"""power, of floats and of integers.

What does not live here: logarithms (logarithm.py) and exponentials (exponential.py).
The float32 power works in float64: 2**(y * log2|x|), x = 2**e * (1 + f) with f in [-1/3, 1/3). The polynomials are
weighted minimax fits of our own, made as in exponential.py, of log2(1 + f)/f and of 2**r on [-1/2, 1/2].
"""

import math

from graphc.codegen.vmath.functions import on_numbers
from graphc.codegen.vmath.lane import DOUBLE, SINGLE, Lane, scale

LOG2 = (1.4426950407474997, -0.7213475196241586, 0.4808984377975221, -0.3606739688307337, 0.28852959027325936,
        -0.24043415193474746, 0.2064542317753909, -0.1807959698243083, 0.15432625275956088, -0.13755185758152338,
        0.17607937218971922, -0.16580843285601451)
EXP2 = (1.0000000005630743, 0.6931472060372604, 0.24022646844723472, 0.05550328123714727, 0.009618491855359195,
        0.00134001954770748, 0.00015345576028506615)
INFINITY, NAN = math.inf, math.nan


@on_numbers
def power(x: Lane, y: Lane, *, signed: bool) -> Lane:
    """x**y as C's pow: 1 for y = 0 or x = 1, NaN for a negative x and a y that is no integer.

    float64 is the C library's, one element at a time, as is float32 where the machine has one. Integers wrap
    around; y must not be negative.
    """
    if not x.is_float:
        return _integer_power(x, y)
    if x.format is DOUBLE or "pow" in x.machine.library:
        return x.call("pow", y)
    wide, exponent = x.to_float(DOUBLE), y.to_float(DOUBLE)
    result = _power_of_size(wide.absolute(), exponent)
    whole = exponent.call("floor").equals(exponent)
    half = exponent * 0.5
    odd = whole & half.call("floor").differs(half)
    negative = wide.bits.compare("<", 0)
    result = (negative & odd).choose(-result, result)
    result = ((wide < 0.0) & (wide > -INFINITY) & ~whole).choose(NAN, result)
    return (exponent.equals(0.0) | wide.equals(1.0)).choose(1.0, result).to_float(SINGLE)


def _power_of_size(x: Lane, y: Lane) -> Lane:
    """x**y for x >= 0, to float32's accuracy in float64; 1**y is 1 for any y but NaN."""
    e = (x.bits - x.constant(2.0 / 3.0).bits) & (-1 << 52)
    f = (x.bits - e).as_float - 1.0
    log2 = f.fma(f.polynomial(LOG2), e.shift_signed(52).to_float(DOUBLE))
    log2 = (x < INFINITY).choose(log2, x)
    log2 = x.equals(0.0).choose(-INFINITY, log2)
    product = (y.is_nan | log2.differs(0.0)).choose(y * log2, 0.0)
    product = product.at_least(-1000.0).at_most(1000.0)
    shifted = product + DOUBLE.magic
    r = product - (shifted - DOUBLE.magic)
    return scale(r.polynomial(EXP2), shifted.bits - x.constant(DOUBLE.magic).bits)


def _integer_power(x: Lane, y: Lane) -> Lane:
    """By the bits of y, each of which squares x once more."""
    result, square = x.constant(1), x
    for bit in range(x.type.width):
        result = ((y >> bit) & 1).equals(0).choose(result, result * square)
        square = square * square
    return result
