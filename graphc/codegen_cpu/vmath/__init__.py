"""Functions that kernels may call on one element; loops over them are vectorised.

What does not live here: the meaning of the operations (graphc.ir), which these keep to: exactly, or within ULP.
All take float32 or float64, some also integers (maximum, minimum, absolute, sign, relu, floor_divide, remainder,
power); operands have one type. NaN, infinities, signed zeros and denormal numbers are treated as NumPy does.
"""

from graphc.codegen_cpu.vmath.circular import cos, sin
from graphc.codegen_cpu.vmath.elementary import (
    absolute,
    ceil,
    floor,
    floor_divide,
    fma,
    isfinite,
    isinf,
    isnan,
    maximum,
    minimum,
    relu,
    remainder,
    rint,
    rsqrt,
    select,
    sign,
    sqrt,
    trunc,
)
from graphc.codegen_cpu.vmath.error_function import erf
from graphc.codegen_cpu.vmath.exponential import exp, expm1, sigmoid, tanh
from graphc.codegen_cpu.vmath.folds import fold_add, fold_maximum, fold_minimum, fold_multiply
from graphc.codegen_cpu.vmath.logarithm import log, log1p
from graphc.codegen_cpu.vmath.power import power
from graphc.codegen_cpu.vmath.random import mix32, random_bits, random_uniform, threefry2x32

# The largest error in units of the last place; sin and cos for |x| up to 1e8 (float32) and 1e6 (float64).
ULP = {"exp": 1.1, "expm1": 1.5, "log": 1.0, "log1p": 1.0, "tanh": 2.5, "sigmoid": 2.5, "erf": 1.1, "sin": 0.6,
       "cos": 0.6, "power": 0.7, "sqrt": 0.5, "rsqrt": 1.5}
ULP_DOUBLE = {"exp": 1.1, "expm1": 2.0, "log": 1.0, "log1p": 1.0, "tanh": 3.0, "sigmoid": 2.5, "erf": 1.2, "sin": 2.0,
              "cos": 2.0, "power": 1.0, "sqrt": 0.5, "rsqrt": 1.5}

__all__ = [
    "ULP", "ULP_DOUBLE", "absolute", "ceil", "cos", "erf", "exp", "expm1", "floor", "floor_divide", "fma", "fold_add",
    "fold_maximum", "fold_minimum", "fold_multiply", "isfinite", "isinf", "isnan", "log", "log1p", "maximum",
    "minimum", "mix32", "power", "random_bits", "random_uniform", "relu", "remainder", "rint", "rsqrt", "select",
    "sigmoid", "sign", "sin", "sqrt", "tanh", "threefry2x32", "trunc"]
