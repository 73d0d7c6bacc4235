"""Matrix products by cuBLASLt, called through ctypes: a dozen of its functions, and the few numbers of its header.

The library is column-major: our row-major c = a b is its c' = b' a', so that a bias runs along our columns. The
algorithm is the first that its heuristics name, the same in every run.

What does not live here: which products are given to it (products.py).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, byref, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from importlib import import_module
from typing import Any

import numpy as np

from graphc.runtime_cuda.device import DeviceError, Product, Span

WORKSPACE = 32 << 20  # bytes: what NVIDIA recommends for Hopper
ALIGNMENT = 16  # bytes that every operand's address is a multiple of, for vector loads; else the heuristics are told
R_32F, R_64F = 0, 1  # cudaDataType
COMPUTE = {"default": 68, "highest": 68, "tf32": 77, "bfloat16": 75}  # cublasComputeType_t of float32
COMPUTE_64F = 70
TRANSA, TRANSB, EPILOGUE, BIAS_POINTER = 3, 4, 7, 8  # cublasLtMatmulDescAttributes_t
BATCH_COUNT, BATCH_OFFSET = 5, 6  # cublasLtMatrixLayoutAttribute_t
MAX_WORKSPACE, ALIGNMENTS = 1, (5, 6, 7, 8)  # cublasLtMatmulPreferenceAttributes_t; of a, b, c, d
EPILOGUES = {(False, ""): 1, (False, "relu"): 2, (True, ""): 4, (True, "relu"): 6}  # cublasLtEpilogue_t


class Heuristic(ctypes.Structure):
    """cublasLtMatmulHeuristicResult_t."""

    _fields_ = [("algorithm", c_uint64 * 8), ("workspace", c_size_t), ("state", c_int), ("waves", c_float),
                ("reserved", c_int * 4)]


class Descriptors:
    """What cuBLASLt is told about a product; its addresses are not part of it, but for the bias. Needs no driver."""

    def __init__(self, library: Any, product: Product):
        self._library = library
        double = product.c.dtype == np.float64
        kind = R_64F if double else R_32F
        self._owned: list[tuple[Any, c_void_p]] = []
        self.operation = self._made("MatmulDesc", COMPUTE_64F if double else COMPUTE[product.precision], kind)
        for which, turned in ((TRANSA, product.turned[1]), (TRANSB, product.turned[0])):
            self._set("MatmulDesc", self.operation, which, c_int32(turned))
        self._set("MatmulDesc", self.operation, EPILOGUE,
                  c_uint32(EPILOGUES[product.bias is not None, product.activation]))
        if product.bias is not None:
            self._set("MatmulDesc", self.operation, BIAS_POINTER, c_void_p(product.bias.address))
        m, n, k, batch = product.m, product.n, product.k, product.batch
        shapes = ((m, k, product.turned[0]), (k, n, product.turned[1]), (m, n, False))
        self.a, self.b, self.c = (self._layout(kind, *shape, step, apart, batch) for shape, step, apart in
                                  zip(shapes, product.steps, product.apart, strict=True))

    def _layout(self, kind: int, rows: int, columns: int, turned: bool, step: int, apart: int, batch: int) -> c_void_p:
        """The matrix as the library sees it: our rows are its columns."""
        rows, columns = (columns, rows) if turned else (rows, columns)
        layout = self._made("MatrixLayout", kind, c_uint64(columns), c_uint64(rows), c_int64(step))
        self._set("MatrixLayout", layout, BATCH_COUNT, c_int32(batch))
        self._set("MatrixLayout", layout, BATCH_OFFSET, c_int64(apart))
        return layout

    def preference(self, aligned: int) -> c_void_p:
        """aligned: bytes that all addresses are multiples of."""
        preference = self._made("MatmulPreference")
        self._set("MatmulPreference", preference, MAX_WORKSPACE, c_uint64(WORKSPACE))
        for which in ALIGNMENTS:
            self._set("MatmulPreference", preference, which, c_uint32(aligned))
        return preference

    def _made(self, kind: str, *arguments: Any) -> c_void_p:
        made = c_void_p()
        _done(getattr(self._library, f"cublasLt{kind}Create")(byref(made), *arguments), f"{kind}Create")
        self._owned.append((getattr(self._library, f"cublasLt{kind}Destroy"), made))
        return made

    def _set(self, kind: str, what: c_void_p, which: int, value: Any) -> None:
        done = getattr(self._library, f"cublasLt{kind}SetAttribute")(what, which, byref(value), ctypes.sizeof(value))
        _done(done, f"{kind}SetAttribute {which}")

    def __del__(self) -> None:
        for destroy, made in self._owned:
            destroy(made)


class Products:
    """The library with a handle, on one stream. Raises DeviceError for what it refuses."""

    def __init__(self, library: Any, stream: int, allocate: Callable[[int], int]):
        self._library, self._stream = library, c_void_p(stream)
        self._handle = c_void_p()
        _done(library.cublasLtCreate(byref(self._handle)), "Create")
        self._workspace = c_void_p(allocate(WORKSPACE))
        self._known: dict[Product, tuple[Descriptors, Heuristic]] = {}

    def multiply(self, product: Product) -> None:
        if product not in self._known:
            self._known[product] = self._chosen(product)
        descriptors, chosen = self._known[product]
        one, zero = (np.array(number, product.c.dtype) for number in (1, 0))
        a, b, c = (c_void_p(span.address) for span in (product.a, product.b, product.c))
        _done(self._library.cublasLtMatmul(
            self._handle, descriptors.operation, _address(one), b, descriptors.b, a, descriptors.a, _address(zero), c,
            descriptors.c, c, descriptors.c, byref(chosen, 0), self._workspace, c_size_t(WORKSPACE), self._stream),
            "Matmul")

    def _chosen(self, product: Product) -> tuple[Descriptors, Heuristic]:
        descriptors, found, count = Descriptors(self._library, product), Heuristic(), c_int()
        aligned = min((_alignment(span) for span in (product.a, product.b, product.c)), default=ALIGNMENT)
        _done(self._library.cublasLtMatmulAlgoGetHeuristic(
            self._handle, descriptors.operation, descriptors.b, descriptors.a, descriptors.c, descriptors.c,
            descriptors.preference(aligned), 1, byref(found), byref(count)), "MatmulAlgoGetHeuristic")
        if not count.value or found.state:
            raise DeviceError("cuBLASLt has no algorithm for a product", where="cublasLt", got=product)
        return descriptors, found


def open_products(stream: Any, allocate: Callable[[int], int]) -> Products | None:
    """None where the library is not installed: every product then runs as a kernel of our own."""
    library = load_library()
    return None if library is None else Products(library, int(stream), allocate)


def load_library() -> Any:
    """cuBLASLt as pathfinder finds it: from its wheel, or of the system; None where it is not there."""
    try:
        pathfinder = import_module("cuda.pathfinder")
        library = ctypes.CDLL(pathfinder.load_nvidia_dynamic_lib("cublasLt").abs_path)
    except (ImportError, OSError, RuntimeError):
        return None
    library.cublasLtMatmulDescCreate.argtypes = [POINTER(c_void_p), c_int, c_int]
    library.cublasLtMatrixLayoutCreate.argtypes = [POINTER(c_void_p), c_int, c_uint64, c_uint64, c_int64]
    for kind in ("MatmulDesc", "MatrixLayout", "MatmulPreference"):
        getattr(library, f"cublasLt{kind}SetAttribute").argtypes = [c_void_p, c_int, c_void_p, c_size_t]
        getattr(library, f"cublasLt{kind}GetAttribute").argtypes = [c_void_p, c_int, c_void_p, c_size_t,
                                                                    POINTER(c_size_t)]
        getattr(library, f"cublasLt{kind}Destroy").argtypes = [c_void_p]
    return library


def _alignment(span: Span) -> int:
    return next(size for size in (16, 8, 4) if span.address % size == 0)


def _address(number: np.ndarray) -> c_void_p:
    return c_void_p(number.ctypes.data)


def _done(status: int, what: str) -> None:
    if status:
        raise DeviceError("cuBLASLt reports an error", where=f"cublasLt{what}", got=f"status {status}")
