"""log and log1p.

What does not live here: powers (power.py), exponentials (exponential.py).
x = 2**e * (1 + f) with f in [-1/4, 1/2); log(1 + f) is f - f^2/2 + f^3 P(f) in float32 and, in float64,
f - (f^2/2 - s (f^2/2 + z R(z))) with s = f/(2 + f), z = s^2 (the series of 2 atanh(s)). The polynomials are
weighted minimax fits of our own, made as in exponential.py, of (log1p(f) - f + f^2/2)/f^3 and (2 atanh(s) - 2s)/s^3.
"""

import math

from graphc.codegen.vmath.exponential import LN2
from graphc.codegen.vmath.functions import on_floats
from graphc.codegen.vmath.lane import SINGLE, Lane

LOG1P_SINGLE = (0.3333345, -0.25000104, 0.1999082, -0.16646999, 0.14478321, -0.13163874, 0.104688875, -0.045112237)
ATANH_DOUBLE = (0.666666666666666, 0.40000000000056557, 0.28571428555874673, 0.22222224289980344, 0.18181666313497483,
                0.1539109655118178, 0.1317387120526606, 0.1384113432271368)
INFINITY, NAN = math.inf, math.nan


@on_floats
def log(x: Lane) -> Lane:
    """Natural logarithm; -inf at 0, NaN below."""
    form = x.format
    small = x < form.tiny
    normal = small.choose(x * 2.0 ** form.mantissa, x)
    e = _exponent(normal)
    f = (normal.bits - e).as_float - 1.0
    power = e.to_float(form) + small.choose(-form.mantissa * 2.0 ** form.mantissa, normal.constant(0.0))
    y = _sum(power, f)
    y = (x < INFINITY).choose(y, x)
    return x.equals(0.0).choose(-INFINITY, (x < 0.0).choose(NAN, y))


@on_floats
def log1p(x: Lane) -> Lane:
    """log(1 + x), exact to the last bits near 0; -inf at -1, NaN below.

    f = x*2**-e + (2**-e - 1): only the sum rounds. e is 0 where x is too small for its bits to be moved.
    """
    form = x.format
    e = _exponent(x + 1.0)
    factor = (x.constant(4.0).bits - e).as_float
    f = (x.bits - e).as_float + factor.fma(0.25, -1.0)
    y = _sum(e.to_float(form), f)
    y = (x < INFINITY).choose(y, x).with_sign_of(x)
    return x.equals(-1.0).choose(-INFINITY, (x < -1.0).choose(NAN, y))


def _exponent(x: Lane) -> Lane:
    """e, shifted to where the exponent's bits are, so that x / 2**e is in [3/4, 3/2)."""
    return (x.bits - x.constant(0.75).bits) & (-1 << x.format.mantissa)


def _sum(power: Lane, f: Lane) -> Lane:
    """e*ln2 + log(1 + f); power = e * 2**mantissa."""
    unit = 2.0 ** -power.format.mantissa
    high, low = (part * unit for part in LN2[power.format])
    return power.fma(high, f + power.fma(low, _log1p_less_f(f)))


def _log1p_less_f(f: Lane) -> Lane:
    """log(1 + f) - f."""
    square = f * f
    if f.format is SINGLE:
        return square * f.fma(f.polynomial(LOG1P_SINGLE), -0.5)
    s, half = f / (f + 2.0), square * 0.5
    z = s * s
    return s.fma(half + z * z.polynomial(ATANH_DOUBLE), -half)
