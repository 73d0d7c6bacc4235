"""exp, expm1 and what is made of them: sigmoid, tanh, erf.

What does not live here: logarithms and powers (logarithm.py).
Range reduction after Cody and Waite: x = n*ln2 + r with |r| <= ln2/2, ln2 in two parts, exact products by fma.
The polynomials are weighted minimax fits of our own (Lawson's iteration in 80 bits; coefficients rounded to the type
one after the other, the rest fitted again), of (e^r - 1 - r)/r^2, of erf(x)/x - 1 in x^2 on [0, 1], and of
-log(erfc(x)) on [1, 4] and [1, 6].
"""

from dataclasses import dataclass

from graphc.codegen_cpu.vmath.lane import Lane, on_floats, power_of_two, scale

LOG2_E = 1.4426950408889634


@dataclass(frozen=True)
class _Table:
    """lowest, highest: where exp is surely 0 or infinite; full: where 1 - tanh is less than half an ulp."""

    ln2: tuple[float, float]
    lowest: float
    highest: float
    lowest_expm1: float
    full_tanh: float
    exp: tuple[float, ...]
    expm1: tuple[float, ...]
    erf_head: tuple[float, ...]
    erf_tail: tuple[float, ...]
    full_erf: float


_SINGLE = _Table(
    ln2=(0.6931471824645996, -1.9046542121259336e-09),
    lowest=-104.0, highest=89.0, lowest_expm1=-18.0, full_tanh=10.0,
    exp=(0.49999994, 0.16666521, 0.04166829, 0.008368704, 0.0013818939),
    expm1=(0.5, 0.16666666, 0.04166649, 0.008333545, 0.0013932774, 0.00019763013),
    erf_head=(0.12837917, -0.37612626, 0.11283579, -0.026853347, 0.005187162, -0.0007997853, 7.806904e-05),
    erf_tail=(0.00035370892, 1.12704, 0.6382258, 0.103037156, -0.021805152, 0.002939547, -0.00018556567),
    full_erf=4.0)
_EXPM1_DOUBLE = (
    0.5, 0.16666666666666677, 0.041666666666666664, 0.008333333333321672, 0.0013888888888902522,
    0.00019841269885810571, 2.480158726574925e-05, 2.755724458587237e-06, 2.755733782936174e-07,
    2.5108907152191247e-08, 2.089209163741051e-09)
_DOUBLE = _Table(
    ln2=(0.6931471805599453, 2.3190468138462996e-17),
    lowest=-746.0, highest=710.0, lowest_expm1=-40.0, full_tanh=20.0,
    exp=_EXPM1_DOUBLE, expm1=_EXPM1_DOUBLE,
    erf_head=(0.1283791670955126, -0.376126389031841, 0.11283791670971118, -0.026866170648043412,
              0.0052239776529067845, -0.0008548328553641934, 0.00012055387042443836, -1.4926906492849455e-05,
              1.6481532020341054e-06, -1.6562877368247136e-07, 1.605662478657346e-08, -1.6650092329767791e-09,
              1.4685742328088876e-10),
    erf_tail=(5.134737314776629e-07, 1.1283739895313747, 0.6366440645982603, 0.10270226427455961,
              -0.018987994677735744, -0.00041360094748337363, 0.0019190120155884167, -0.0007730961256835326,
              0.00013658742771091554, 1.9507385390254047e-05, -2.2526858269644968e-05, 8.576944408081739e-06,
              -2.114364921674764e-06, 3.6948728130545405e-07, -4.592292286740631e-08, 3.889078293096042e-09,
              -2.0198194400013059e-10, 4.863742296080991e-12),
    full_erf=6.0)


def _table(x: Lane) -> _Table:
    return _SINGLE if x.format.mantissa == 23 else _DOUBLE


def _reduce(x: Lane, coefficients: tuple[float, ...]) -> tuple[Lane, Lane]:
    """n as an integer and e^r - 1, where x = n*ln2 + r; for |x| up to a few times the range of exp."""
    table, magic = _table(x), x.format.magic
    shifted = x.fma(LOG2_E, magic)
    n = shifted - magic
    r = n.fma(-table.ln2[1], n.fma(-table.ln2[0], x))
    return shifted.bits - x.constant(magic).bits, (r * r).fma(r.polynomial(coefficients), r)


@on_floats
def exp(x: Lane) -> Lane:
    """e**x."""
    table = _table(x)
    n, excess = _reduce(x.at_least(table.lowest).at_most(table.highest), table.exp)
    return scale(excess + 1.0, n)


@on_floats
def expm1(x: Lane) -> Lane:
    """e**x - 1 = 2 (s*excess + s - 1/2), s = 2**(n-1), which cannot overflow early; keeps -0."""
    table = _table(x)
    n, excess = _reduce(x.at_least(table.lowest_expm1).at_most(table.highest), table.expm1)
    s = power_of_two(n - 1, x.format)
    half = s.fma(excess, s - 0.5)
    return n.equals(0).choose(excess, half + half).with_sign_of(x)


@on_floats
def sigmoid(x: Lane) -> Lane:
    """1 / (1 + e**-x), from z = e**-|x| as 1/(1 + z) or z/(1 + z)."""
    table = _table(x)
    n, excess = _reduce((-x.absolute()).at_least(table.lowest), table.exp)
    z = scale(excess + 1.0, n)
    return (x < 0.0).choose(z, 1.0) / (z + 1.0)


@on_floats
def tanh(x: Lane) -> Lane:
    """t / (t + 2) with t = e**(2|x|) - 1, and the sign of x."""
    table = _table(x)
    size = x.absolute().at_most(table.full_tanh)
    n, excess = _reduce(size + size, table.expm1)
    s = power_of_two(n, x.format)
    t = s.fma(excess, s - 1.0)
    return (t / (t + 2.0)).with_sign_of(x)


@on_floats
def erf(x: Lane) -> Lane:
    """Near zero x + x*P(x^2), from 1 on 1 - e**-Q(|x|)."""
    table = _table(x)
    size = x.absolute()
    head = x.fma((x * x).polynomial(table.erf_head), x)
    n, excess = _reduce(-size.at_most(table.full_erf).polynomial(table.erf_tail), table.exp)
    tail = (-power_of_two(n, x.format)).fma(excess + 1.0, 1.0)
    return (size < 1.0).choose(head, tail.with_sign_of(x))
