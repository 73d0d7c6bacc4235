"""exp, expm1 and what is made of them: sigmoid and tanh.

What does not live here: erf (error_function.py), logarithms (logarithm.py), powers (power.py).
Range reduction after Cody and Waite: x = n*ln2 + r with |r| <= ln2/2, ln2 in two parts, exact products by fma.
The polynomials are weighted minimax fits of our own of (e^r - 1 - r)/r^2, by Lawson's iteration (least squares,
reweighted) in 80 bits; coefficients are rounded to the type one after the other, lowest power first, and the others
fitted again.
"""

from dataclasses import dataclass

from graphc.codegen.vmath.functions import on_floats
from graphc.codegen.vmath.lane import DOUBLE, SINGLE, Lane, power_of_two, scale

LOG2_E = 1.4426950408889634
LN2 = {SINGLE: (0.6931471824645996, -1.9046542121259336e-09), DOUBLE: (0.6931471805599453, 2.3190468138462996e-17)}
EXP = {SINGLE: (0.49999994, 0.16666521, 0.04166829, 0.008368704, 0.0013818939),  # best relative to e^r
       DOUBLE: (0.5, 0.16666666666666677, 0.041666666666666664, 0.008333333333321672, 0.0013888888888902522,
                0.00019841269885810571, 2.480158726574925e-05, 2.755724458587237e-06, 2.755733782936174e-07,
                2.5108907152191247e-08, 2.089209163741051e-09)}
EXPM1 = {SINGLE: (0.5, 0.16666666, 0.04166649, 0.008333545, 0.0013932774, 0.00019763013),  # relative to e^r - 1
         DOUBLE: EXP[DOUBLE]}


@dataclass(frozen=True)
class _Limits:
    """Beyond them nothing changes: exp is 0 or infinite, expm1 is -1, tanh is 1."""

    lowest: float
    highest: float
    lowest_expm1: float
    highest_tanh: float


_LIMITS = {SINGLE: _Limits(-104.0, 89.0, -18.0, 10.0), DOUBLE: _Limits(-746.0, 710.0, -40.0, 20.0)}


def reduce(x: Lane, coefficients: tuple[float, ...]) -> tuple[Lane, Lane]:
    """n as an integer and e^r - 1, where x = n*ln2 + r; for |x| up to a few times the range of exp."""
    high, low = LN2[x.format]
    magic = x.format.magic
    shifted = x.fma(LOG2_E, magic)
    n = shifted - magic
    r = n.fma(-low, n.fma(-high, x))
    return shifted.bits - x.constant(magic).bits, (r * r).fma(r.polynomial(coefficients), r)


@on_floats
def exp(x: Lane) -> Lane:
    """e**x."""
    limits = _LIMITS[x.format]
    n, excess = reduce(x.at_least(limits.lowest).at_most(limits.highest), EXP[x.format])
    return scale(excess + 1.0, n)


@on_floats
def expm1(x: Lane) -> Lane:
    """e**x - 1 = 2 (s*excess + s - 1/2), s = 2**(n-1), which cannot overflow early; keeps -0."""
    limits = _LIMITS[x.format]
    n, excess = reduce(x.at_least(limits.lowest_expm1).at_most(limits.highest), EXPM1[x.format])
    s = power_of_two(n - 1, x.format)
    half = s.fma(excess, s - 0.5)
    return n.equals(0).choose(excess, half + half).with_sign_of(x)


@on_floats
def sigmoid(x: Lane) -> Lane:
    """1 / (1 + e**-x), from z = e**-|x| as 1/(1 + z) or z/(1 + z)."""
    n, excess = reduce((-x.absolute()).at_least(_LIMITS[x.format].lowest), EXP[x.format])
    z = scale(excess + 1.0, n)
    return (x < 0.0).choose(z, 1.0) / (z + 1.0)


@on_floats
def tanh(x: Lane) -> Lane:
    """t / (t + 2) with t = e**(2|x|) - 1, and the sign of x."""
    size = x.absolute().at_most(_LIMITS[x.format].highest_tanh)
    n, excess = reduce(size + size, EXPM1[x.format])
    s = power_of_two(n, x.format)
    t = s.fma(excess, s - 1.0)
    return (t / (t + 2.0)).with_sign_of(x)
