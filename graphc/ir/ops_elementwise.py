"""Elementwise arithmetic, comparisons, logic, choice and casts: one element in, one element out.

Operands have equal types; nothing is broadcast. Gradients of maximum, minimum, relu and absolute at
their kinks follow TensorFlow: ties go to the first operand, relu'(0) = 0, absolute'(0) = 0.

What does not live here: functions of one float such as exp and tanh (ops_math.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, ShapeError
from graphc.ir.checks import ALL, BOOLS, FLOATS, NUMBERS, check_count, check_dtype, check_equal, check_kind
from graphc.ir.spec import Kind, OpSpec, define
from graphc.ir.traced import RuleContext, Traced
from graphc.ir.types import BOOL, DType, TensorType


def same_type(op: str, allowed: frozenset[str], count: int, *types: TensorType) -> TensorType:
    """The type rule of most elementwise ops: `count` operands of one type, which is the result's."""
    check_count(op, count, types)
    check_kind(op, allowed, *types)
    check_equal(op, *types)
    return types[0]


def _bool_result(op: str, allowed: frozenset[str], count: int, *types: TensorType) -> TensorType:
    return same_type(op, allowed, count, *types).with_dtype(BOOL)


def elementwise(name: str, count: int, allowed: frozenset[str], reference: Callable[..., Any], scalar: str,
                vjp: Callable[..., Any] | None = None, **laws: Any) -> OpSpec:
    """Declare an op whose operands and result have one type."""
    return define(name, kind=Kind.ELEMENTWISE, infer=partial(same_type, name, allowed, count), reference=reference,
                  scalar=scalar, vjp=vjp, **laws)


def _test(name: str, count: int, allowed: frozenset[str], reference: Callable[..., Any], scalar: str,
          **laws: Any) -> OpSpec:
    """Declare an op whose result is bool."""
    return define(name, kind=Kind.ELEMENTWISE, infer=partial(_bool_result, name, allowed, count),
                  reference=reference, scalar=scalar, **laws)


def _no_gradient(ctx: RuleContext, g: Traced, *operands: Traced) -> list[None]:
    """Piecewise constant: the result does not depend on the operands, as far as gradients go."""
    return [None] * len(operands)


# ---- arithmetic of two operands

ADD = elementwise("add", 2, NUMBERS, np.add, "({0} + {1})", lambda ctx, g, x, y: [g, g],
                  commutative=True, associative=True, identity=0)
SUBTRACT = elementwise("subtract", 2, NUMBERS, np.subtract, "({0} - {1})", lambda ctx, g, x, y: [g, -g])
MULTIPLY = elementwise("multiply", 2, NUMBERS, np.multiply, "({0} * {1})", lambda ctx, g, x, y: [g * y, g * x],
                       commutative=True, associative=True, identity=1)
DIVIDE = elementwise("divide", 2, FLOATS, np.divide, "({0} / {1})",
                     lambda ctx, g, x, y: [g / y, -(g / y * ctx.y)])
FLOOR_DIVIDE = elementwise("floor_divide", 2, NUMBERS, np.floor_divide, "floor_divide({0}, {1})", _no_gradient)
REMAINDER = elementwise("remainder", 2, NUMBERS, np.remainder, "remainder({0}, {1})",
                        lambda ctx, g, x, y: [g, -(g * x.floor_divide(y))])
MAXIMUM = elementwise("maximum", 2, NUMBERS, np.maximum, "maximum({0}, {1})",
                      lambda ctx, g, x, y: _to_one_side(x >= y, g),
                      commutative=True, associative=True, idempotent=True)
MINIMUM = elementwise("minimum", 2, NUMBERS, np.minimum, "minimum({0}, {1})",
                      lambda ctx, g, x, y: _to_one_side(x <= y, g),
                      commutative=True, associative=True, idempotent=True)


def _to_one_side(first: Traced, g: Traced) -> list[Traced]:
    return [first.select(g, g.zeros()), first.select(g.zeros(), g)]


def _power(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x ** y; NaN for a negative x and a y that is not whole. Integers wrap around."""
    if y.dtype.kind == "i" and np.any(y < 0):
        raise ArgumentError("power: an integer to a negative power is no integer", expected="exponents >= 0",
                            got=int(np.min(y)), fix="Cast to a float type.")
    return np.power(x, y)


def _power_vjp(ctx: RuleContext, g: Traced, x: Traced, y: Traced) -> list[Traced]:
    """d/dx = y x**(y-1), 0 where y is 0; d/dy = x**y log(x), 0 where x <= 0 (there x**y has no derivative by y)."""
    positive = x > 0
    log_x = positive.select(x, x.zeros() + 1).log()
    by_x = y.equal(y.zeros()).select(g.zeros(), g * (y * x.power(y - 1)))
    return [by_x, positive.select(g * (ctx.y * log_x), g.zeros())]


POWER = elementwise("power", 2, NUMBERS, _power, "power({0}, {1})", _power_vjp)

# ---- arithmetic of one operand

NEGATIVE = elementwise("negative", 1, NUMBERS, np.negative, "(-{0})", lambda ctx, g, x: [-g], involution=True)
ABSOLUTE = elementwise("absolute", 1, NUMBERS, np.absolute, "absolute({0})", lambda ctx, g, x: [g * x.sign()],
                       idempotent=True)
SIGN = elementwise("sign", 1, NUMBERS, np.sign, "sign({0})", lambda ctx, g, x: [g.zeros()], idempotent=True)
SQUARE = elementwise("square", 1, NUMBERS, np.square, "({0} * {0})", lambda ctx, g, x: [g * (x + x)])
RELU = elementwise("relu", 1, NUMBERS, lambda x: np.maximum(x, x.dtype.type(0)), "relu({0})",
                   lambda ctx, g, x: [(ctx.y > 0).select(g, g.zeros())], idempotent=True)
FLOOR = elementwise("floor", 1, FLOATS, np.floor, "floor({0})", _no_gradient, idempotent=True)
CEIL = elementwise("ceil", 1, FLOATS, np.ceil, "ceil({0})", _no_gradient, idempotent=True)
RINT = elementwise("rint", 1, FLOATS, np.rint, "rint({0})", _no_gradient, idempotent=True)
STOP_GRADIENT = elementwise("stop_gradient", 1, ALL, lambda x: x, "{0}", _no_gradient, idempotent=True)

# ---- comparisons and tests: bool results

EQUAL = _test("equal", 2, ALL, np.equal, "({0} == {1})", commutative=True)
NOT_EQUAL = _test("not_equal", 2, ALL, np.not_equal, "({0} != {1})", commutative=True)
LESS = _test("less", 2, NUMBERS, np.less, "({0} < {1})")
LESS_EQUAL = _test("less_equal", 2, NUMBERS, np.less_equal, "({0} <= {1})")
GREATER = _test("greater", 2, NUMBERS, np.greater, "({0} > {1})")
GREATER_EQUAL = _test("greater_equal", 2, NUMBERS, np.greater_equal, "({0} >= {1})")
ISNAN = _test("isnan", 1, FLOATS, np.isnan, "isnan({0})")
ISFINITE = _test("isfinite", 1, FLOATS, np.isfinite, "isfinite({0})")

# ---- logic: bool operands

LOGICAL_AND = elementwise("logical_and", 2, BOOLS, np.logical_and, "({0} & {1})",
                          commutative=True, associative=True, idempotent=True, identity=True)
LOGICAL_OR = elementwise("logical_or", 2, BOOLS, np.logical_or, "({0} | {1})",
                         commutative=True, associative=True, idempotent=True, identity=False)
LOGICAL_XOR = elementwise("logical_xor", 2, BOOLS, np.logical_xor, "({0} != {1})",
                          commutative=True, associative=True, identity=False)
LOGICAL_NOT = elementwise("logical_not", 1, BOOLS, np.logical_not, "(not {0})", involution=True)

# ---- choice and casts


def _infer_select(*types: TensorType) -> TensorType:
    check_count("select", 3, types)
    condition, x, y = types
    check_kind("select", BOOLS, condition)
    check_equal("select", x, y)
    if condition.shape != x.shape:
        raise ShapeError("select: the condition has another shape than the branches", expected=x.with_dtype(BOOL),
                         got=condition, fix="Broadcast it first.")
    return x


SELECT = define("select", kind=Kind.ELEMENTWISE, infer=_infer_select, reference=np.where,
                scalar="select({0}, {1}, {2})",
                vjp=lambda ctx, g, condition, x, y: [None, *_to_one_side(condition, g)])


def _infer_cast(x: TensorType, *, dtype: DType) -> TensorType:
    return x.with_dtype(check_dtype("cast", dtype))


def _cast_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced | None]:
    """The cotangent in the operand's type; none where the way leads through integers or bools."""
    smooth = x.dtype.is_float and g.dtype.is_float
    return [(g if g.dtype == x.dtype else g.cast(dtype=x.dtype)) if smooth else None]


CAST = define("cast", kind=Kind.ELEMENTWISE, infer=_infer_cast, scalar="cast", vjp=_cast_vjp,
              reference=lambda x, *, dtype: x.astype(dtype.numpy))
