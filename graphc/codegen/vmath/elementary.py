"""Choosing, rounding and dividing: what needs no approximation, with NumPy's treatment of NaN, zero and sign.

What does not live here: transcendental functions (exponential.py, logarithm.py, circular.py).
"""

from llvmlite import ir

from graphc.codegen.vmath.functions import condition_on_floats, on_choices, on_floats, on_numbers
from graphc.codegen.vmath.lane import Lane


@on_floats
def sqrt(x: Lane) -> Lane:
    return x.call("sqrt")


@on_floats
def rsqrt(x: Lane) -> Lane:
    """1 / sqrt(x)."""
    return 1.0 / x.call("sqrt")


@on_floats
def rint(x: Lane) -> Lane:
    """To the nearest integer, halves to the even one."""
    return x.call("rint")


@on_floats
def floor(x: Lane) -> Lane:
    return x.call("floor")


@on_floats
def ceil(x: Lane) -> Lane:
    return x.call("ceil")


@on_floats
def trunc(x: Lane) -> Lane:
    return x.call("trunc")


@on_floats
def fma(x: Lane, y: Lane, z: Lane) -> Lane:
    """x * y + z, rounded once."""
    return x.fma(y, z)


@on_choices
def select(condition: Lane, x: Lane, y: Lane) -> Lane:
    """x where the condition holds, else y; both are computed."""
    return condition.choose(x, y)


@condition_on_floats
def isnan(x: Lane) -> Lane:
    return x.is_nan


@condition_on_floats
def isfinite(x: Lane) -> Lane:
    return x.absolute() < float("inf")


@condition_on_floats
def isinf(x: Lane) -> Lane:
    return x.absolute().equals(float("inf"))


@on_numbers
def absolute(x: Lane, *, signed: bool) -> Lane:
    if x.is_float:
        return x.absolute()
    return (x < 0).choose(-x, x) if signed else x


@on_numbers
def sign(x: Lane, *, signed: bool) -> Lane:
    """-1, 0 or 1; NaN for NaN."""
    if not x.is_float:
        rest = (x < 0).choose(-1, x.constant(0)) if signed else x.constant(0)
        return x.compare(">", 0, signed=signed).choose(1, rest)
    zero_or_nan = x.equals(0.0).choose(0.0, x)
    return (x > 0.0).choose(1.0, (x < 0.0).choose(-1.0, zero_or_nan))


@on_numbers
def relu(x: Lane, *, signed: bool) -> Lane:
    """max(x, 0), one instruction; NaN and -0 stay."""
    if x.is_float or signed:
        return (x < 0).choose(0, x) if not x.is_float else x.at_least(0.0)
    return x


@on_numbers
def maximum(x: Lane, y: Lane, *, signed: bool) -> Lane:
    """The larger; NaN where one is NaN."""
    return _extreme(x, y, ">", signed)


@on_numbers
def minimum(x: Lane, y: Lane, *, signed: bool) -> Lane:
    """The smaller; NaN where one is NaN."""
    return _extreme(x, y, "<", signed)


def _extreme(x: Lane, y: Lane, operator: str, signed: bool) -> Lane:
    """The comparison yields y where one is NaN, so only a NaN in x is left to see to; a constant is none."""
    if isinstance(y.value, ir.Constant):
        x, y = y, x
    chosen = x.compare(operator, y, signed=signed).choose(x, y)
    return x.is_nan.choose(x, chosen) if x.is_float else chosen


@on_numbers
def floor_divide(x: Lane, y: Lane, *, signed: bool) -> Lane:
    """floor(x / y) of the exact quotient; for integers 0 where y is 0."""
    if x.is_float:
        quotient, _ = _divide_floats(x, y)
        return y.equals(0.0).choose(x / y, quotient)
    return _divide_integers(x, y, signed)[0]


@on_numbers
def remainder(x: Lane, y: Lane, *, signed: bool) -> Lane:
    """x - floor(x / y) * y, with the sign of y; for integers 0 where y is 0."""
    return (_divide_floats(x, y) if x.is_float else _divide_integers(x, y, signed))[1]


def _divide_floats(x: Lane, y: Lane) -> tuple[Lane, Lane]:
    """After C's fmod, which is exact; it is a call, so loops over it are not vectorised."""
    rest = x.made(x.builder.frem(x.value, y.value))
    crosses = rest.differs(0.0) & ((rest < 0.0) ^ (y < 0.0))
    quotient = (x - rest) / y
    quotient = crosses.choose(quotient - 1.0, quotient)
    whole = quotient.call("floor")
    whole = ((quotient - whole) > 0.5).choose(whole + 1.0, whole)
    whole = quotient.equals(0.0).choose(x.constant(0.0).with_sign_of(x / y), whole)
    rest = crosses.choose(rest + y, rest)
    return whole, rest.equals(0.0).choose(x.constant(0.0).with_sign_of(y), rest)


def _divide_integers(x: Lane, y: Lane, signed: bool) -> tuple[Lane, Lane]:
    """Quotient and remainder; the divisors 0 and (the quotient may overflow) -1 never reach the hardware."""
    zero = y.equals(0)
    if not signed:
        divisor = zero.choose(1, y)
        quotient, rest = _quotient(x, divisor, "udiv"), _quotient(x, divisor, "urem")
        return zero.choose(0, quotient), zero.choose(0, rest)
    minus = y.equals(-1)
    divisor = (zero | minus).choose(1, y)
    quotient, rest = _quotient(x, divisor, "sdiv"), _quotient(x, divisor, "srem")
    crosses = rest.differs(0) & (rest ^ divisor).compare("<", 0)
    quotient = crosses.choose(quotient - 1, quotient)
    rest = crosses.choose(rest + divisor, rest)
    return zero.choose(0, minus.choose(-x, quotient)), zero.choose(0, rest)


def _quotient(x: Lane, y: Lane, instruction: str) -> Lane:
    return x.made(getattr(x.builder, instruction)(x.value, y.value))
