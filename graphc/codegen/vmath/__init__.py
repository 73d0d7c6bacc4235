"""Functions that kernels of every target may call on one element, as LLVM IR: the same steps give the same bits.

What does not live here: the meaning of the operations (graphc.ir), which these keep to: exactly, or within ULP.
All take float32 or float64, some also integers (maximum, minimum, absolute, sign, relu, floor_divide, remainder,
power); operands have one type. NaN, infinities, signed zeros and denormal numbers are treated as NumPy does.
FUNCTIONS holds them by name; each target binds them to its Numba (functions.py).
"""

from graphc.codegen.vmath import circular as circular
from graphc.codegen.vmath import elementary as elementary
from graphc.codegen.vmath import error_function as error_function
from graphc.codegen.vmath import exponential as exponential
from graphc.codegen.vmath import folds as folds
from graphc.codegen.vmath import logarithm as logarithm
from graphc.codegen.vmath import power as power
from graphc.codegen.vmath import random as random
from graphc.codegen.vmath.functions import FUNCTIONS

# The largest error in units of the last place; sin and cos for |x| up to 1e8 (float32) and 1e6 (float64).
ULP = {"exp": 1.1, "expm1": 1.5, "log": 1.0, "log1p": 1.0, "tanh": 2.5, "sigmoid": 2.5, "erf": 1.1, "sin": 0.6,
       "cos": 0.6, "power": 0.7, "sqrt": 0.5, "rsqrt": 1.5}
ULP_DOUBLE = {"exp": 1.1, "expm1": 2.0, "log": 1.0, "log1p": 1.0, "tanh": 3.0, "sigmoid": 2.5, "erf": 1.2, "sin": 2.0,
              "cos": 2.0, "power": 1.0, "sqrt": 0.5, "rsqrt": 1.5}

__all__ = ["FUNCTIONS", "ULP", "ULP_DOUBLE"]
