"""The functions of graphc.codegen.vmath as CPU kernels call them; loops over them are vectorised."""

from typing import Any

import llvmlite.binding as llvm
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from graphc.codegen.vmath import FUNCTIONS, ULP, ULP_DOUBLE
from graphc.codegen.vmath.functions import Numba, bind
from graphc.codegen.vmath.lane import Machine

LDEXP_IN_VECTORS = 22  # the LLVM version from which AVX-512's scalef does it
FEATURES = llvm.get_host_cpu_features()
HOST = Machine(fma=bool(FEATURES.get("fma")),
               ldexp=bool(FEATURES.get("avx512f")) and llvm.llvm_version_info[0] >= LDEXP_IN_VECTORS)


def functions(machine: Machine) -> dict[str, Any]:
    """All of them, in the instructions of `machine`."""
    return {name: bind(function, Numba(types, TypingError, intrinsic), machine) for name, function in FUNCTIONS.items()}


globals().update(functions(HOST))

__all__ = ["ULP", "ULP_DOUBLE", *FUNCTIONS]
