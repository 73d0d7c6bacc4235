"""Elementwise functions of one float: roots, exponentials, logarithms, circles and the error function.

What does not live here: arithmetic that integers have too (ops_elementwise.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from graphc.ir.checks import FLOATS
from graphc.ir.ops_elementwise import elementwise, same_type
from graphc.ir.spec import Kind, OpSpec, define

TWO_BY_ROOT_PI = 2 / math.sqrt(math.pi)
_erf = np.frompyfunc(math.erf, 1, 1)


def _function(name: str, reference: Callable[..., Any], vjp: Callable[..., Any]) -> OpSpec:
    return elementwise(name, 1, FLOATS, reference, f"{name}({{0}})", vjp)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow on either side."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


SQRT = _function("sqrt", np.sqrt, lambda ctx, g, x: [g * 0.5 / ctx.y])
RSQRT = _function("rsqrt", lambda x: np.reciprocal(np.sqrt(x)),
                  lambda ctx, g, x: [g * -0.5 * (ctx.y * ctx.y * ctx.y)])
EXP = _function("exp", np.exp, lambda ctx, g, x: [g * ctx.y])
EXPM1 = _function("expm1", np.expm1, lambda ctx, g, x: [g * (ctx.y + 1)])
LOG = _function("log", np.log, lambda ctx, g, x: [g / x])
LOG1P = _function("log1p", np.log1p, lambda ctx, g, x: [g / (x + 1)])
TANH = _function("tanh", np.tanh, lambda ctx, g, x: [g * (1 - ctx.y * ctx.y)])
SIGMOID = _function("sigmoid", _sigmoid, lambda ctx, g, x: [g * (ctx.y * (1 - ctx.y))])
ERF = _function("erf", lambda x: np.asarray(_erf(x)).astype(x.dtype),
                lambda ctx, g, x: [g * ((-x.square()).exp() * TWO_BY_ROOT_PI)])
SIN = _function("sin", np.sin, lambda ctx, g, x: [g * x.cos()])
COS = _function("cos", np.cos, lambda ctx, g, x: [-(g * x.sin())])
RECIPROCAL = define("reciprocal", kind=Kind.COMPOSITE, infer=partial(same_type, "reciprocal", FLOATS, 1),
                    reference=np.reciprocal, body=lambda ctx, x: 1 / x,
                    vjp=lambda ctx, g, x: [-(g * (ctx.y * ctx.y))], involution=True)
