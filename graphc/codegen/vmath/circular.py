"""sin and cos.

What does not live here: the other elementary functions.
x = n*pi/2 + r with |r| <= pi/4, pi/2 in two or three parts of 53 bits, exact products by fma; n's last two bits choose
between sin and cos of r and their sign. float32 works in float64 throughout, so that it holds for |x| up to 2**50; so
does float64. Beyond, nothing is left of the fraction and the result only keeps to [-1, 1]. The polynomials are
weighted minimax fits of our own, made as in exponential.py, of (sin(r)/r - 1)/r^2 and (cos(r) - 1 + r^2/2)/r^4 in r^2.
"""

from graphc.codegen.vmath.functions import on_floats
from graphc.codegen.vmath.lane import DOUBLE, SINGLE, Lane

HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)
TWO_OVER_PI = 0.6366197723675814
SIN = {SINGLE: (-0.16666654536415476, 0.008332156043795074, -0.00019514630807433288),
       DOUBLE: (-0.1666666666666663, 0.008333333333321874, -0.00019841269829404346, 2.7557313559654283e-06,
                -2.5050738366311888e-08, 1.5895696276300893e-10)}
COS = {SINGLE: (0.04166664555400517, -0.0013887309842588733, 2.4432410219333684e-05),
       DOUBLE: (0.041666666666666595, -0.0013888888888873303, 2.4801587288961042e-05, -2.7557314201620754e-07,
                2.087570292056958e-09, -1.1358604988017962e-11)}


@on_floats
def sin(x: Lane) -> Lane:
    """Sine of radians."""
    return _wave(x, 0)


@on_floats
def cos(x: Lane) -> Lane:
    """Cosine of radians."""
    return _wave(x, 1)


def _wave(x: Lane, quarter_turns: int) -> Lane:
    wide = x.to_float(DOUBLE)
    shifted = wide.fma(TWO_OVER_PI, DOUBLE.magic)
    n = shifted - DOUBLE.magic
    r = wide
    for part in HALF_PI[:3 if x.format is DOUBLE else 2]:
        r = n.fma(-part, r)
    r = r.at_least(-1.0).at_most(1.0)
    z = r * r
    sine = (r * z).fma(z.polynomial(SIN[x.format]), r)
    cosine = (z * z).fma(z.polynomial(COS[x.format]), z.fma(-0.5, 1.0))
    quarter = shifted.bits + quarter_turns
    size = (quarter & 1).equals(0).choose(sine, cosine)
    wave = (size.bits ^ ((quarter & 2) << 62)).as_float
    if quarter_turns == 0:
        wave = wide.equals(0.0).choose(wide, wave)
    return wave.to_float(x.format)
