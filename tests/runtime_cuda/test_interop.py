"""Arrays of other libraries in, ours out. NumPy is the other library: the lockstep device lives in the host's memory."""

import gc

import numpy as np
import pytest

import graphc
from graphc.errors import ArgumentError, DTypeError, ShapeError
from graphc.runtime_cuda import interop
from graphc.runtime_cuda.device import DeviceError, using
from graphc.runtime_cuda.interop import DeviceArray, borrowed, from_capsule
from graphc.runtime_cuda.lockstep_device import LockstepDevice

SUM = "graph g(%x: f32[B,3], %y: f32[B,3]) { %s = add(%x, %y)  return %s }"
X = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def device():
    with using(LockstepDevice()) as device:
        yield device


def on(device, array):
    made = DeviceArray(device, array.shape, array.dtype)
    device.upload(made.address, array)
    return made


class Foreign:
    """What another library's array shows of itself."""

    def __init__(self, device, array, strides=None, stream=None, **more):
        self.kept = on(device, array)
        self.__cuda_array_interface__ = {"shape": array.shape, "typestr": array.dtype.str, "strides": strides,
                                         "data": (self.kept.address, False), "version": 3, "stream": stream, **more}


@pytest.mark.parametrize("dtype", ["f4", "f8", "i1", "u2", "i8", "?"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0, 3), (4, 5)])
def test_numpy_takes_what_is_given_out(device, shape, dtype):
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    taken = np.from_dlpack(on(device, array))  # the array itself is gone by now, its memory must not be
    gc.collect()
    np.testing.assert_array_equal(taken, array)
    assert taken.dtype == array.dtype


def test_memory_goes_with_its_last_user(device):
    before = len(device._blocks)
    array = on(device, X)
    taken, unused = np.from_dlpack(array), array.__dlpack__()
    del array
    gc.collect()
    assert len(device._blocks) == before + 1
    del taken, unused
    gc.collect()
    assert len(device._blocks) == before
    assert not interop._Lent.all


@pytest.mark.parametrize("array", [X, X.T, X[::2, 1:], X.astype(np.int64), X[:0], np.float32(3)[None]])
def test_what_numpy_gives_out_is_taken(array):
    found = from_capsule(array.__dlpack__())
    assert (found.shape, found.dtype, found.address) == (array.shape, array.dtype, array.ctypes.data)
    assert found.row_major == array.flags.c_contiguous
    if not found.row_major:
        assert found.strides == array.strides
    found.release()


def test_a_capsule_is_taken_once():
    capsule = X.__dlpack__()
    from_capsule(capsule).release()
    with pytest.raises(ArgumentError, match="no unused DLPack capsule"):
        from_capsule(capsule)


def test_a_type_that_numpy_has_not():
    with pytest.raises(ArgumentError, match=r"a type of numbers that NumPy has not.*code 5, 64 bits"):
        from_capsule(X.astype(np.complex64).__dlpack__())


def test_results_on_the_device_are_inputs_again(device):
    f = graphc.compile(SUM, target="cuda")
    (once,) = f.on_device(X, X)
    assert isinstance(once, DeviceArray)
    (twice,) = f(once, on(device, X))
    np.testing.assert_array_equal(np.asarray(once), 2 * X)
    np.testing.assert_array_equal(twice, 3 * X)


def test_the_array_interface(device):
    (result,) = graphc.compile(SUM, target="cuda").on_device(X, X)
    assert result.__cuda_array_interface__ == {"shape": (4, 3), "typestr": "<f4", "data": (result.address, False),
                                               "strides": None, "stream": None, "version": 3}
    assert (len(result), result.ndim, result.size, result.nbytes) == (4, 2, 12, 48)
    assert repr(result) == "DeviceArray(shape=(4, 3), dtype=float32, device='lockstep')"


def test_foreign_arrays_are_copied_on_the_device(device, monkeypatch):
    f = graphc.compile(SUM, target="cuda")
    given = Foreign(device, X), Foreign(device, 2 * X)
    f(X, X)
    monkeypatch.setattr(device, "upload", lambda address, array: pytest.fail("a way through the host"))
    np.testing.assert_array_equal(f(*given)[0], 3 * X)


def test_other_layouts_and_types_take_the_way_through_the_host(device):
    f = graphc.compile(SUM, target="cuda")
    turned = Foreign(device, np.ascontiguousarray(X.T))
    turned.__cuda_array_interface__.update(shape=(4, 3), strides=(4, 16))
    np.testing.assert_array_equal(f(turned, Foreign(device, X.astype(np.int32)))[0], 2 * X)


def test_what_cannot_be_taken(device):
    f = graphc.compile(SUM, target="cuda")
    with pytest.raises(ShapeError, match="axis 1 has the wrong size"):
        f(Foreign(device, X[:, :2].copy()), X)
    with pytest.raises(DTypeError, match="cannot be read as numbers"):
        f(Foreign(device, X.astype(np.complex64)), X)
    with pytest.raises(ArgumentError, match="masked"):
        f(Foreign(device, X, mask=X), X)
    with pytest.raises(ArgumentError, match="stored backwards"):
        f(Foreign(device, X, strides=(-12, 4)), X)
    with pytest.raises(ShapeError, match="wrong number of inputs"):
        f(on(device, X))
    with pytest.raises(BufferError):
        on(device, X).__dlpack__(copy=True)
    with pytest.raises(ValueError, match="without a copy"):
        on(device, X).__array__(copy=False)


def test_an_array_of_another_gpu(device):
    class Elsewhere:
        def __dlpack_device__(self):
            return 2, 3

        def __dlpack__(self, **options):
            raise AssertionError("asked for an array that is elsewhere")

    device.dlpack_device = 2, 0
    with pytest.raises(DeviceError, match=r"an array on another device.*expected device 0; got device 3"):
        borrowed(Elsewhere(), device)


def test_another_librarys_stream_is_waited_for(device, monkeypatch):
    waited = []
    monkeypatch.setattr(device, "wait_for", waited.append)
    borrowed(Foreign(device, X, stream=7), device)
    assert waited == [7]
