"""Elementwise ops: arithmetic, comparison, logic, select, casts, unary maths."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir.spec import Kind, OpSpec, define
from graphc.ir.traced import RuleContext, Traced
from graphc.ir.types import BOOL, DType, TensorType


def _equal_types(name: str, *types: TensorType) -> TensorType:
    first = types[0]
    for other in types[1:]:
        if other.shape != first.shape:
            raise ShapeError(f"{name}: operands have different shapes", expected=first, got=other)
        if other.dtype is not first.dtype:
            raise DTypeError(f"{name}: operands have different element types", expected=first, got=other)
    return first


def _rule(name: str, arity: int, kinds: tuple[str, ...], result: DType | None) -> Callable[..., TensorType]:
    def infer(*types: TensorType) -> TensorType:
        if len(types) != arity:
            raise ShapeError(f"{name}: wrong number of operands", expected=arity, got=len(types))
        common = _equal_types(name, *types)
        if common.dtype.kind not in kinds:
            raise DTypeError(f"{name}: wrong element type", expected=" or ".join(kinds), got=common)
        return common if result is None else common.with_dtype(result)

    return infer


NUMBERS = ("int", "uint", "float")
FLOATS = ("float",)
ANY = ("bool", "int", "uint", "float")


def _define(name: str, arity: int, reference: Callable[..., Any], scalar: str, *, kinds: tuple[str, ...] = FLOATS,
            result: DType | None = None, vjp: Callable[..., Any] | None = None, **laws: Any) -> OpSpec:
    def keep_dtype(*arrays: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            value = reference(*arrays)
        return value if result is BOOL else np.asarray(value).astype(arrays[0].dtype, copy=False)

    return define(name, kind=Kind.ELEMENTWISE, infer=_rule(name, arity, kinds, result), reference=keep_dtype,
                  scalar=scalar, vjp=vjp, **laws)


_define("add", 2, np.add, "({0} + {1})", kinds=NUMBERS, vjp=lambda ctx, g, x, y: [g, g],
        commutative=True, associative=True, identity=0)
_define("subtract", 2, np.subtract, "({0} - {1})", kinds=NUMBERS, vjp=lambda ctx, g, x, y: [g, -g])
_define("multiply", 2, np.multiply, "({0} * {1})", kinds=NUMBERS, vjp=lambda ctx, g, x, y: [g * y, g * x],
        commutative=True, associative=True, identity=1)
_define("divide", 2, np.divide, "({0} / {1})", vjp=lambda ctx, g, x, y: [g / y, -(g * ctx.y / y)])
_define("floor_divide", 2, np.floor_divide, "floor_divide({0}, {1})", kinds=NUMBERS,
        vjp=lambda ctx, g, x, y: [None, None])
_define("remainder", 2, np.remainder, "remainder({0}, {1})", kinds=NUMBERS,
        vjp=lambda ctx, g, x, y: [g, -(g * x.floor_divide(y))])


def _power_vjp(ctx: RuleContext, g: Traced, x: Traced, y: Traced) -> list[Traced]:
    safe = (x > 0).select(x, x.zeros() + 1)
    by_log = (x > 0).select(ctx.y * safe.log(), x.zeros())
    return [g * y * x.power(y - 1), g * by_log]


_define("power", 2, np.power, "power({0}, {1})", vjp=_power_vjp)


def _pick(name: str) -> Callable[..., list[Traced]]:
    def vjp(ctx: RuleContext, g: Traced, x: Traced, y: Traced) -> list[Traced]:
        first = x >= y if name == "maximum" else x <= y
        return [first.select(g, g.zeros()), first.select(g.zeros(), g)]

    return vjp


_define("maximum", 2, np.maximum, "maximum({0}, {1})", kinds=NUMBERS, vjp=_pick("maximum"),
        commutative=True, associative=True, idempotent=True)
_define("minimum", 2, np.minimum, "minimum({0}, {1})", kinds=NUMBERS, vjp=_pick("minimum"),
        commutative=True, associative=True, idempotent=True)

for _name, _sign in (("equal", "=="), ("not_equal", "!="), ("less", "<"), ("less_equal", "<="), ("greater", ">"),
                     ("greater_equal", ">=")):
    _define(_name, 2, getattr(np, _name), f"({{0}} {_sign} {{1}})", kinds=ANY, result=BOOL)

_define("logical_and", 2, np.logical_and, "({0} and {1})", kinds=("bool",), commutative=True, associative=True)
_define("logical_or", 2, np.logical_or, "({0} or {1})", kinds=("bool",), commutative=True, associative=True)
_define("logical_xor", 2, np.logical_xor, "({0} != {1})", kinds=("bool",), commutative=True, associative=True)
_define("logical_not", 1, np.logical_not, "(not {0})", kinds=("bool",), involution=True)


def _infer_select(condition: TensorType, x: TensorType, y: TensorType) -> TensorType:
    common = _equal_types("select", x, y)
    if condition != common.with_dtype(BOOL):
        raise ShapeError("select: the condition does not fit the branches", expected=common.with_dtype(BOOL),
                         got=condition)
    return common


define("select", kind=Kind.ELEMENTWISE, infer=_infer_select, reference=np.where, scalar="({1} if {0} else {2})",
       vjp=lambda ctx, g, c, x, y: [None, c.select(g, g.zeros()), c.select(g.zeros(), g)])


def _cast(x: np.ndarray, dtype: DType) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return x.astype(dtype.numpy)


define("cast", kind=Kind.ELEMENTWISE, infer=lambda x, dtype: x.with_dtype(dtype), reference=_cast, scalar="cast",
       vjp=lambda ctx, g, x: [g.cast(dtype=x.dtype) if x.dtype.is_float else None])

_define("stop_gradient", 1, np.array, "{0}", kinds=ANY, vjp=lambda ctx, g, x: [None])
_define("negative", 1, np.negative, "(-{0})", kinds=("int", "float"), vjp=lambda ctx, g, x: [-g], involution=True)
_define("absolute", 1, np.absolute, "absolute({0})", kinds=NUMBERS, vjp=lambda ctx, g, x: [g * x.sign()],
        idempotent=True)
_define("sign", 1, np.sign, "sign({0})", kinds=("int", "float"), vjp=lambda ctx, g, x: [None], idempotent=True)
_define("square", 1, np.square, "({0} * {0})", kinds=NUMBERS, vjp=lambda ctx, g, x: [g * (x + x)])
_define("sqrt", 1, np.sqrt, "sqrt({0})", vjp=lambda ctx, g, x: [g * 0.5 / ctx.y])
_define("rsqrt", 1, lambda x: 1 / np.sqrt(x), "rsqrt({0})", vjp=lambda ctx, g, x: [g * -0.5 * ctx.y / x])
_define("reciprocal", 1, lambda x: 1 / x, "(np.float32(1) / {0})", vjp=lambda ctx, g, x: [-(g * ctx.y * ctx.y)])
_define("exp", 1, np.exp, "exp({0})", vjp=lambda ctx, g, x: [g * ctx.y])
_define("expm1", 1, np.expm1, "expm1({0})", vjp=lambda ctx, g, x: [g * (ctx.y + 1)])
_define("log", 1, np.log, "log({0})", vjp=lambda ctx, g, x: [g / x])
_define("log1p", 1, np.log1p, "log1p({0})", vjp=lambda ctx, g, x: [g / (x + 1)])
_define("tanh", 1, np.tanh, "tanh({0})", vjp=lambda ctx, g, x: [g * (1 - ctx.y * ctx.y)])


def _sigmoid(x: np.ndarray) -> np.ndarray:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


_define("sigmoid", 1, _sigmoid, "sigmoid({0})", vjp=lambda ctx, g, x: [g * (ctx.y * (1 - ctx.y))])
_erf = np.frompyfunc(math.erf, 1, 1)
_define("erf", 1, lambda x: np.asarray(_erf(x.astype(np.float64)), dtype=np.float64), "erf({0})",
        vjp=lambda ctx, g, x: [g * (2 / math.sqrt(math.pi)) * (-(x * x)).exp()])
_define("sin", 1, np.sin, "sin({0})", vjp=lambda ctx, g, x: [g * x.cos()])
_define("cos", 1, np.cos, "cos({0})", vjp=lambda ctx, g, x: [-(g * x.sin())])
_define("floor", 1, np.floor, "floor({0})", vjp=lambda ctx, g, x: [None], idempotent=True)
_define("ceil", 1, np.ceil, "ceil({0})", vjp=lambda ctx, g, x: [None], idempotent=True)
_define("rint", 1, np.rint, "rint({0})", vjp=lambda ctx, g, x: [None], idempotent=True)
_define("isnan", 1, np.isnan, "isnan({0})", result=BOOL)
_define("isfinite", 1, np.isfinite, "isfinite({0})", result=BOOL)
_define("relu", 1, lambda x: np.maximum(x, 0), "relu({0})", vjp=lambda ctx, g, x: [(ctx.y > 0).select(g, g.zeros())],
        idempotent=True)
