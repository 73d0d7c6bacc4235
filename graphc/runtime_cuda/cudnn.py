"""Convolutions by cuDNN's legacy functions, called through ctypes: two dozen, and the few numbers of its headers.

Arrays are channels last, filters [o,*k,c]. Of the algorithms that its heuristics name, best first, we take the first
that gives the same bits in every run, that fits the workspace, and that rounds no more than the precision allows. Its
own memory is given by us, so that a convolution can be recorded.

What does not live here: which convolutions are given to it (convolutions.py).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import POINTER, byref, c_double, c_float, c_int, c_size_t, c_void_p
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from graphc.runtime_cuda.device import Convolution, DeviceError, Geometry

WORKSPACE = 256 << 20  # bytes at the most
FLOAT, CHANNELS_LAST, CROSS_CORRELATION = 0, 1, 1  # cudnnDataType_t, cudnnTensorFormat_t, cudnnConvolutionMode_t
MATH = {"default": 3, "highest": 3, "tf32": 0}  # cudnnMathType_t: FMA_MATH; DEFAULT_MATH, which may use tf32
ACTIVATION = {"": 5, "relu": 1}  # cudnnActivationMode_t
PROPAGATE_NAN = 1
DETERMINISTIC = 1  # cudnnDeterminism_t
NOT_SUPPORTED = range(3000, 4000)  # cudnnStatus_t
# cudnnConvolutionFwdAlgo_t, ...BwdFilterAlgo_t, ...BwdDataAlgo_t: sums as they stand, and Winograd's. Fourier
# transforms would spread NaN and infinities over whole images.
PLAIN = {"forward": {0, 1, 2}, "filter": {1}, "data": {1}}
WINOGRAD = {"forward": {6, 7}, "filter": {5}, "data": {4, 5}}
WITH_BIAS_ALONE = {1}  # what takes a bias without an activation
MOST_ALGORITHMS = 8
WITHOUT = "Update the driver, or uninstall cuDNN: convolutions then run as kernels of our own."


class Performance(ctypes.Structure):
    """cudnnConvolutionFwdAlgoPerf_t, and those of the gradients."""

    _fields_ = [("algorithm", c_int), ("status", c_int), ("time", c_float), ("memory", c_size_t),
                ("determinism", c_int), ("math", c_int), ("reserved", c_int * 3)]


class Descriptors:
    """What cuDNN is told about a convolution; no addresses are part of it. Needs no driver."""

    def __init__(self, library: Any, convolution: Convolution):
        self._library = library
        self._owned: list[tuple[Any, c_void_p]] = []
        at = in_two_axes(convolution.geometry)
        self.x = self._tensor(at.items, at.channels, *at.extents)
        self.y = self._tensor(at.items, at.filters, *at.positions)
        shape = _ints(at.filters, at.channels, *at.window)
        self.w = self._made("Filter")
        self._do("SetFilterNdDescriptor", self.w, FLOAT, CHANNELS_LAST, len(shape), shape)
        self.convolution = self._made("Convolution")
        axes = len(at.window)
        self._do("SetConvolutionNdDescriptor", self.convolution, axes, _ints(*at.padding), _ints(*at.strides),
                 _ints(*at.dilations), CROSS_CORRELATION, FLOAT)
        self.use(MATH[convolution.precision])
        if convolution.bias is not None:
            self.bias = self._tensor(1, at.filters, *(1,) * axes)
            self.activation = self._made("Activation")
            self._do("SetActivationDescriptor", self.activation, ACTIVATION[convolution.activation], PROPAGATE_NAN,
                     c_double(0))

    def use(self, math: int) -> None:
        """math: cudnnMathType_t."""
        self._do("SetConvolutionMathType", self.convolution, math)

    def _tensor(self, *shape: int) -> c_void_p:
        """shape: items, channels, spatial axes, whatever the order in memory."""
        made = self._made("Tensor")
        self._do("SetTensorNdDescriptorEx", made, CHANNELS_LAST, FLOAT, len(shape), _ints(*shape))
        return made

    def _made(self, kind: str) -> c_void_p:
        made = c_void_p()
        self._do(f"Create{kind}Descriptor", byref(made))
        self._owned.append((getattr(self._library, f"cudnnDestroy{kind}Descriptor"), made))
        return made

    def _do(self, what: str, *arguments: Any) -> None:
        _call(self._library, what, *arguments)

    def __del__(self) -> None:
        for destroy, made in self._owned:
            destroy(made)


@dataclass(frozen=True)
class Plan:
    """How a convolution is computed."""

    descriptors: Descriptors
    algorithm: int


class Convolutions:
    """The library with a handle, on one stream. Raises DeviceError for what it reports."""

    def __init__(self, library: Any, stream: int, allocate: Callable[[int], int]):
        self._library, self._allocate = library, allocate
        self._handle = c_void_p()
        try:
            self._do("Create", byref(self._handle))
        except DeviceError as error:
            error.fix = WITHOUT
            raise
        self._do("SetStream", self._handle, c_void_p(stream))
        self._workspace: c_void_p | None = None
        self._plans: dict[object, Plan | None] = {}

    def convolves(self, convolution: Convolution) -> bool:
        """Whether there is an algorithm for it."""
        return self._plan(convolution) is not None

    def convolve(self, convolution: Convolution) -> None:
        plan = self._plan(convolution)
        if plan is None:
            raise DeviceError("cuDNN has no algorithm for a convolution", where="cudnn", got=convolution)
        if self._workspace is None:
            self._workspace = c_void_p(self._allocate(WORKSPACE))
        use = plan.descriptors
        x, w, y = (c_void_p(span.address) for span in (convolution.x, convolution.w, convolution.y))
        one, zero = byref(c_float(1)), byref(c_float(0))
        how = (use.convolution, plan.algorithm, self._workspace, c_size_t(WORKSPACE))
        if convolution.kind == "filter":
            self._do("ConvolutionBackwardFilter", self._handle, one, use.x, x, use.y, y, *how, zero, use.w, w)
        elif convolution.kind == "data":
            self._do("ConvolutionBackwardData", self._handle, one, use.w, w, use.y, y, *how, zero, use.x, x)
        elif convolution.bias is None:
            self._do("ConvolutionForward", self._handle, one, use.x, x, use.w, w, *how, zero, use.y, y)
        else:
            self._do("ConvolutionBiasActivationForward", self._handle, one, use.x, x, use.w, w, *how, zero, use.y, y,
                     use.bias, c_void_p(convolution.bias.address), use.activation, use.y, y)

    def _plan(self, convolution: Convolution) -> Plan | None:
        key = (convolution.kind, convolution.geometry, convolution.bias is not None, convolution.activation,
               convolution.precision)
        if key not in self._plans:
            self._plans[key] = self._planned(convolution)
        return self._plans[key]

    def _planned(self, convolution: Convolution) -> Plan | None:
        use = Descriptors(self._library, convolution)
        found, count = (Performance * MOST_ALGORITHMS)(), c_int()
        what, *order = {"forward": ("Forward", use.x, use.w, use.convolution, use.y),
                        "filter": ("BackwardFilter", use.x, use.y, use.convolution, use.w),
                        "data": ("BackwardData", use.w, use.y, use.convolution, use.x)}[convolution.kind]
        name = f"cudnnGetConvolution{what}Algorithm_v7"
        status = getattr(self._library, name)(self._handle, *order, MOST_ALGORITHMS, byref(count), found)
        if status in NOT_SUPPORTED:
            return None
        _done(self._library, status, name)
        best = chosen(found[:count.value], allowed(convolution))
        if best is None:
            return None
        if convolution.precision == "tf32":
            use.use(best.math)
        return Plan(use, best.algorithm)

    def _do(self, what: str, *arguments: Any) -> None:
        _call(self._library, what, *arguments)


def allowed(convolution: Convolution) -> set[int]:
    """The algorithms that round no more than the precision allows, and can do the epilogue."""
    if convolution.bias is not None and not convolution.activation:
        return WITH_BIAS_ALONE
    plain = PLAIN[convolution.kind]
    return plain | WINOGRAD[convolution.kind] if convolution.precision == "default" else plain


def chosen(found: Sequence[Performance], algorithms: set[int]) -> Performance | None:
    """The first of these algorithms that gives the same bits in every run and fits the workspace."""
    return next((one for one in found if not one.status and one.determinism == DETERMINISTIC
                 and one.memory <= WORKSPACE and one.algorithm in algorithms), None)


def in_two_axes(at: Geometry) -> Geometry:
    """A convolution of one axis as one of images of height 1, which the library asks for."""
    if len(at.extents) > 1:
        return at
    return Geometry(at.items, (1, *at.extents), at.channels, at.filters, (1, *at.window), (1, *at.strides),
                    (1, *at.dilations), (0, *at.padding))


def open_convolutions(stream: Any, allocate: Callable[[int], int]) -> Convolutions | None:
    """None where the library is not installed: every convolution then runs as a kernel of our own."""
    library = load_library()
    return None if library is None else Convolutions(library, int(stream), allocate)


def load_library() -> Any:
    """cuDNN as pathfinder finds it: from its wheel, or of the system; None where it is not there."""
    try:
        pathfinder = import_module("cuda.pathfinder")
        library = ctypes.CDLL(pathfinder.load_nvidia_dynamic_lib("cudnn").abs_path)
    except (ImportError, OSError, RuntimeError):
        return None
    library.cudnnGetErrorString.restype = ctypes.c_char_p
    for kind in ("Tensor", "Filter", "Convolution", "Activation"):
        getattr(library, f"cudnnCreate{kind}Descriptor").argtypes = [POINTER(c_void_p)]
        getattr(library, f"cudnnDestroy{kind}Descriptor").argtypes = [c_void_p]
    return library


def _ints(*values: int) -> Any:
    return (c_int * len(values))(*values)


def _call(library: Any, what: str, *arguments: Any) -> None:
    _done(library, getattr(library, f"cudnn{what}")(*arguments), f"cudnn{what}")


def _done(library: Any, status: int, what: str) -> None:
    if status:
        raise DeviceError("cuDNN reports an error", where=what,
                          got=f"status {status}, {library.cudnnGetErrorString(status).decode()}")
