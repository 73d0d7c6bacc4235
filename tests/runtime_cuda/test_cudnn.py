"""What cuDNN is told, and which of its algorithms is taken.

Its descriptors need no driver: where it is installed, they are built and read back. What it computes is for a GPU to
show.
"""

import ctypes
from ctypes import byref, c_int, c_void_p

import numpy as np
import pytest

from graphc.runtime_cuda import cudnn
from graphc.runtime_cuda.cudnn import Performance
from graphc.runtime_cuda.device import Convolution, DeviceError, Geometry, Span

F32 = np.dtype(np.float32)
IMAGES = Geometry(2, (9, 8), 3, 5, (3, 2), (2, 3), (1, 2), (2, 1))
SEQUENCES = Geometry(4, (20,), 7, 6, (3,), (2,), (4,), (3,))
VOLUMES = Geometry(1, (5, 4, 6), 2, 3, (2, 2, 3), (1, 1, 2), (2, 1, 1), (0, 1, 0))


def of(at, kind="forward", bias=False, activation="", precision="default"):
    """A convolution with no addresses to speak of."""
    return Convolution(kind, at, Span(256, 1, F32), Span(512, 1, F32), Span(768, 1, F32),
                       Span(1024, at.filters, F32) if bias else None, activation, precision)


# ---- which algorithm

DETERMINISTIC, ATOMIC = 1, 0
GEMM, PRECOMPUTED, FOURIER, WINOGRAD = 0, 1, 4, 7


@pytest.mark.parametrize(("convolution", "algorithms"), [
    (of(IMAGES), {0, 1, 2, 6, 7}), (of(IMAGES, precision="highest"), {0, 1, 2}),
    (of(IMAGES, precision="tf32"), {0, 1, 2}), (of(IMAGES, bias=True), {1}),
    (of(IMAGES, bias=True, activation="relu"), {0, 1, 2, 6, 7}), (of(IMAGES, "filter"), {1, 5}),
    (of(IMAGES, "filter", precision="highest"), {1}), (of(IMAGES, "data"), {1, 4, 5}),
    (of(IMAGES, "data", precision="tf32"), {1})])
def test_algorithms_by_precision_and_epilogue(convolution, algorithms):
    assert cudnn.allowed(convolution) == algorithms


@pytest.mark.parametrize(("found", "best"), [
    ([(WINOGRAD, 0, 0, DETERMINISTIC), (GEMM, 0, 0, DETERMINISTIC)], WINOGRAD),
    ([(WINOGRAD, 0, 0, ATOMIC), (GEMM, 0, 0, DETERMINISTIC)], GEMM),
    ([(WINOGRAD, 3000, 0, DETERMINISTIC), (GEMM, 0, 0, DETERMINISTIC)], GEMM),
    ([(WINOGRAD, 0, cudnn.WORKSPACE + 1, DETERMINISTIC), (GEMM, 0, cudnn.WORKSPACE, DETERMINISTIC)], GEMM),
    ([(FOURIER, 0, 0, DETERMINISTIC), (PRECOMPUTED, 0, 0, DETERMINISTIC)], PRECOMPUTED),
    ([(FOURIER, 0, 0, DETERMINISTIC)], None), ([], None)])
def test_the_first_that_has_the_same_bits_in_every_run_and_fits(found, best):
    results = [Performance(algorithm=a, status=s, memory=m, determinism=d) for a, s, m, d in found]
    taken = cudnn.chosen(results, cudnn.allowed(of(IMAGES)))
    assert (taken and taken.algorithm) == best


class NoGpu:
    """The library as far as the calls need it: writes down which functions are called, with what."""

    def __init__(self, found, status=0):
        self.found, self.status, self.calls = found, status, []

    def __getattr__(self, name):
        if not name.startswith("cudnn"):
            raise AttributeError(name)

        def call(*arguments):
            self.calls.append((name.removeprefix("cudnn"), arguments))
            if name.endswith("Algorithm_v7"):
                arguments[-2]._obj.value = len(self.found)
                for i, (algorithm, math) in enumerate(self.found):
                    arguments[-1][i] = Performance(algorithm=algorithm, determinism=DETERMINISTIC, math=math)
                return self.status
            return b"no text" if name == "cudnnGetErrorString" else 0

        return call

    def named(self, name):
        return [arguments for called, arguments in self.calls if called == name]


@pytest.mark.parametrize(("convolution", "function", "addresses"), [
    (of(IMAGES), "ConvolutionForward", [256, 512, 768]),
    (of(IMAGES, bias=True, activation="relu"), "ConvolutionBiasActivationForward", [256, 512, 768, 1024, 768]),
    (of(IMAGES, "filter"), "ConvolutionBackwardFilter", [256, 768, 512]),
    (of(IMAGES, "data"), "ConvolutionBackwardData", [512, 768, 256])])
def test_calls(convolution, function, addresses):
    """Pointers in the order of the function's parameters, the workspace that was asked for once, the stream."""
    library, sizes = NoGpu([(1, 0)]), []
    made = cudnn.Convolutions(library, 77, lambda size: sizes.append(size) or 4096)
    for _ in range(2):
        assert made.convolves(convolution)
        made.convolve(convolution)
    assert [arguments[1].value for arguments in library.named("SetStream")] == [77]
    assert sizes == [cudnn.WORKSPACE]
    (first, second) = library.named(function)
    pointers = [a.value for a in first if isinstance(a, c_void_p) and a.value]
    assert sorted(pointers) == sorted([*addresses, 4096])
    assert [p for p in pointers if p != 4096] == addresses
    assert len(library.named("SetConvolutionMathType")) == 1, "descriptors are made once"


def test_tf32_as_the_algorithm_says_and_float32_as_asked():
    library = NoGpu([(1, 1)])
    made = cudnn.Convolutions(library, 0, lambda size: 4096)
    assert made.convolves(of(IMAGES, precision="tf32"))
    assert [arguments[1] for arguments in library.named("SetConvolutionMathType")] == [0, 1]
    assert made.convolves(of(IMAGES))
    assert [arguments[1] for arguments in library.named("SetConvolutionMathType")] == [0, 1, 3]


def test_nothing_suitable_is_said_before_anything_runs():
    for library in (NoGpu([(4, 0)]), NoGpu([], status=3000)):
        made = cudnn.Convolutions(library, 0, lambda size: 4096)
        assert not made.convolves(of(IMAGES))
        with pytest.raises(DeviceError, match="cuDNN has no algorithm for a convolution"):
            made.convolve(of(IMAGES))
    with pytest.raises(DeviceError, match="cudnnGetConvolutionForwardAlgorithm_v7: cuDNN reports an error"):
        cudnn.Convolutions(NoGpu([], status=2000), 0, lambda size: 4096).convolves(of(IMAGES))


# ---- the library itself


@pytest.fixture(scope="module")
def library():
    found = cudnn.load_library()
    if found is None:
        pytest.skip("cuDNN is not installed")
    return found


def tensor(library, descriptor):
    """(dtype, shape, strides)."""
    kind, rank, shape, strides = c_int(), c_int(), (c_int * 8)(), (c_int * 8)()
    assert library.cudnnGetTensorNdDescriptor(descriptor, 8, byref(kind), byref(rank), shape, strides) == 0
    return kind.value, tuple(shape[:rank.value]), tuple(strides[:rank.value])


def filters(library, descriptor):
    """(dtype, format, shape)."""
    kind, order, rank, shape = c_int(), c_int(), c_int(), (c_int * 8)()
    assert library.cudnnGetFilterNdDescriptor(descriptor, 8, byref(kind), byref(order), byref(rank), shape) == 0
    return kind.value, order.value, tuple(shape[:rank.value])


def steps(library, descriptor, axes):
    """(padding, strides, dilations, mode, dtype, math)."""
    count, mode, kind, math = c_int(), c_int(), c_int(), c_int()
    found = [(c_int * axes)() for _ in range(3)]
    assert library.cudnnGetConvolutionNdDescriptor(descriptor, axes, byref(count), *found, byref(mode), byref(kind)) == 0
    assert library.cudnnGetConvolutionMathType(descriptor, byref(math)) == 0
    return *(tuple(one[:count.value]) for one in found), mode.value, kind.value, math.value


def channels_last(items, channels, *extents):
    """Strides of a tensor whose axes are named in the order items, channels, extents."""
    within = [channels * int(np.prod(extents[i + 1:])) for i in range(len(extents))]
    return (channels * int(np.prod(extents)), 1, *within)


@pytest.mark.parametrize(("precision", "math"), [("default", 3), ("highest", 3), ("tf32", 0)])
@pytest.mark.parametrize("at", [IMAGES, SEQUENCES, VOLUMES], ids=["images", "sequences", "volumes"])
def test_descriptors(library, at, precision, math):
    made = cudnn.Descriptors(library, of(at, bias=True, activation="relu", precision=precision))
    two = cudnn.in_two_axes(at)
    for descriptor, shape in ((made.x, (two.items, two.channels, *two.extents)),
                              (made.y, (two.items, two.filters, *two.positions)),
                              (made.bias, (1, two.filters, *(1 for _ in two.window)))):
        assert tensor(library, descriptor) == (0, shape, channels_last(*shape))
    assert filters(library, made.w) == (0, 1, (two.filters, two.channels, *two.window))
    axes = len(two.window)
    assert steps(library, made.convolution, axes) == (two.padding, two.strides, two.dilations, 1, 0, math)
    output = (c_int * (axes + 2))()
    assert library.cudnnGetConvolutionNdForwardOutputDim(made.convolution, made.x, made.w, axes + 2, output) == 0
    assert tuple(output) == (two.items, two.filters, *two.positions), "the library counts windows as we do"
    mode, nan, ceiling = c_int(), c_int(), ctypes.c_double()
    assert library.cudnnGetActivationDescriptor(made.activation, byref(mode), byref(nan), byref(ceiling)) == 0
    assert (mode.value, nan.value) == (1, 1), "relu, which passes NaN on"


def test_without_a_driver_there_is_no_handle(library):
    handle = c_void_p()
    if library.cudnnCreate(byref(handle)) == 0:
        pytest.skip("there is a driver")
    with pytest.raises(DeviceError, match="cudnnCreate: cuDNN reports an error; got status 1.*uninstall cuDNN"):
        cudnn.Convolutions(library, 0, lambda size: 0)


def test_what_it_refuses_is_an_error(library):
    with pytest.raises(DeviceError, match="cudnnSetTensorNdDescriptorEx: cuDNN reports an error; got status 2000, CUDNN_"):
        cudnn.Descriptors(library, of(Geometry(2, (9, 8), 0, 5, (3, 2), (1, 1), (1, 1), (0, 0))))
