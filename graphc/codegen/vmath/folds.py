"""Steps of reductions whose order the compiler may choose, so that it can keep partial results in vector lanes.

What does not live here: the loops around them. The order depends on the code and the length of the loop alone, so a
kernel gives the same bits on every run; NaN and infinity pass through as in any order.
"""

from graphc.codegen.vmath.functions import on_numbers
from graphc.codegen.vmath.lane import Lane


@on_numbers
def fold_add(total: Lane, x: Lane, *, signed: bool) -> Lane:
    """total + x, where total is the result of the step before."""
    return _any_order(total, x, "fadd") if x.is_float else total + x


@on_numbers
def fold_multiply(total: Lane, x: Lane, *, signed: bool) -> Lane:
    """total * x, where total is the result of the step before."""
    return _any_order(total, x, "fmul") if x.is_float else total * x


@on_numbers
def fold_maximum(total: Lane, x: Lane, *, signed: bool) -> Lane:
    """The larger, or NaN; of 0 and -0 either."""
    return _extreme(total, x, "max", signed)


@on_numbers
def fold_minimum(total: Lane, x: Lane, *, signed: bool) -> Lane:
    """The smaller, or NaN; of 0 and -0 either."""
    return _extreme(total, x, "min", signed)


def _extreme(total: Lane, x: Lane, kind: str, signed: bool) -> Lane:
    if x.is_float:
        return total.call(f"{kind}imum", x, flags=("nsz",))
    return total.call(f"{'s' if signed else 'u'}{kind}", x)


def _any_order(total: Lane, x: Lane, instruction: str) -> Lane:
    emit = getattr(x.builder, instruction)
    return x.made(emit(total.value, x.value, flags=("reassoc", "contract")))
