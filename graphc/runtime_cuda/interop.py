"""Arrays that stay on the device: results for other libraries, and theirs as inputs, without a way through the host.

Both directions speak the CUDA array interface (version 3) and DLPack (the unversioned capsule, which all of its
consumers read). The structures are those of dlpack.h.

What does not live here: memory (device.py), what is done with inputs (executable.py).
"""

from __future__ import annotations

import ctypes
import math
import weakref
from collections.abc import Callable
from ctypes import POINTER, c_int32, c_int64, c_uint8, c_uint16, c_uint64, c_void_p
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphc.errors import ArgumentError
from graphc.runtime_cuda.device import Device, DeviceError

CODES = {"i": 0, "u": 1, "f": 2, "b": 6}  # DLDataTypeCode
KINDS = {code: kind for kind, code in CODES.items()}
CUDA = 2  # DLDeviceType
NEW, USED = b"dltensor", b"used_dltensor"  # names of a capsule that waits for its consumer, and of one that has it


class _Tensor(ctypes.Structure):
    """DLTensor: data, device type and number, axes, type code, bits and lanes, shape, strides in elements."""

    _fields_ = [("data", c_void_p), ("device_type", c_int32), ("device", c_int32), ("ndim", c_int32),
                ("code", c_uint8), ("bits", c_uint8), ("lanes", c_uint16), ("shape", POINTER(c_int64)),
                ("strides", POINTER(c_int64)), ("byte_offset", c_uint64)]


class _Managed(ctypes.Structure):
    """DLManagedTensor."""


_Deleter = ctypes.CFUNCTYPE(None, POINTER(_Managed))
_Managed._fields_ = [("tensor", _Tensor), ("context", c_void_p), ("deleter", _Deleter)]
_Destructor = ctypes.CFUNCTYPE(None, c_void_p)
_api = ctypes.pythonapi
_new_capsule, _pointer_of, _is_capsule, _rename = (getattr(_api, f"PyCapsule_{name}")
                                                   for name in ("New", "GetPointer", "IsValid", "SetName"))
_new_capsule.restype, _new_capsule.argtypes = ctypes.py_object, [c_void_p, ctypes.c_char_p, _Destructor]
_pointer_of.restype, _pointer_of.argtypes = c_void_p, [ctypes.py_object, ctypes.c_char_p]
_is_capsule.argtypes = _rename.argtypes = [ctypes.py_object, ctypes.c_char_p]
_raw_is_capsule = ctypes.PYFUNCTYPE(ctypes.c_int, c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", _api))
_raw_pointer_of = ctypes.PYFUNCTYPE(c_void_p, c_void_p, ctypes.c_char_p)(("PyCapsule_GetPointer", _api))


class DeviceArray:
    """A row-major array in a device's memory, which is freed with it and whatever has borrowed it.

    np.asarray copies it to the host; torch.from_dlpack, cupy.from_dlpack, jax.dlpack.from_dlpack and whatever reads
    `__cuda_array_interface__` take it where it lies. What it holds is complete: no stream has to be waited for.
    """

    def __init__(self, device: Device, shape: tuple[int, ...], dtype: np.dtype):
        """Uninitialized. Raises DeviceMemoryError."""
        self.device, self.shape, self.dtype = device, shape, np.dtype(dtype)
        self.address = device.allocate(self.nbytes)
        weakref.finalize(self, device.free, self.address)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without axes")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype}, device={self.device.name!r})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("an array on a device cannot be read on the host without a copy")
        made = np.empty(self.shape, self.dtype)
        self.device.download(made, self.address)
        return made if dtype is None else made.astype(dtype, copy=False)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self.address if self.size else 0, False),
                "strides": None, "stream": None, "version": 3}

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device.dlpack_device

    def __dlpack__(self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None,
                   copy: bool | None = None) -> Any:
        """A capsule over this memory. Raises BufferError for a copy or a move to another device."""
        if copy or dl_device not in (None, self.__dlpack_device__()):
            raise BufferError("only a view on the same device is given out")
        lent = _Lent(self)
        return _new_capsule(ctypes.addressof(lent.managed), NEW, _drop)


class _Lent:
    """What a capsule points to; kept until its consumer, or a capsule without one, says that it is done."""

    all: dict[int, _Lent] = {}  # noqa: RUF012

    def __init__(self, array: DeviceArray):
        self.array = array
        self.shape = (c_int64 * max(array.ndim, 1))(*array.shape)
        kind, number = array.__dlpack_device__()
        tensor = _Tensor(array.address, kind, number, array.ndim, CODES[array.dtype.kind], array.dtype.itemsize * 8, 1,
                         self.shape, None, 0)
        self.managed = _Managed(tensor, None, _give_back)
        _Lent.all[ctypes.addressof(self.managed)] = self


@_Deleter
def _give_back(managed: Any) -> None:
    _Lent.all.pop(ctypes.addressof(managed.contents), None)


@_Destructor
def _drop(capsule: int) -> None:
    if _raw_is_capsule(capsule, NEW):
        _Lent.all.pop(_raw_pointer_of(capsule, NEW), None)


@dataclass(frozen=True)
class Borrowed:
    """Another library's array on our device; strides in bytes; None: row-major. `release` ends the loan."""

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype
    strides: tuple[int, ...] | None
    release: Callable[[], None] = field(default=lambda: None)

    @property
    def row_major(self) -> bool:
        expected = [self.dtype.itemsize * math.prod(self.shape[i + 1:]) for i in range(len(self.shape))]
        return self.strides is None or not math.prod(self.shape) or all(
            size == 1 or step == want for size, step, want in zip(self.shape, self.strides, expected, strict=True))

    def on_host(self, device: Device) -> np.ndarray:
        """A copy. Raises ArgumentError for steps backwards."""
        strides = self.strides
        if self.row_major or strides is None:
            made = np.empty(self.shape, self.dtype)
            device.download(made, self.address)
            return made
        if min(strides) < 0:
            raise ArgumentError("an array on the device that is stored backwards", got=f"strides {strides}",
                                fix="Make it contiguous.")
        extent = sum((size - 1) * step for size, step in zip(self.shape, strides, strict=True)) + self.dtype.itemsize
        memory = np.empty(extent, np.uint8)
        device.download(memory, self.address)
        found: np.ndarray = np.ndarray(self.shape, self.dtype, memory, 0, strides).copy()
        return found


def borrowed(given: Any, device: Device) -> Borrowed | None:
    """`given` as an array on this device; None for what the host can read.

    Raises DeviceError for one on another device, ArgumentError for a type that NumPy has not.
    """
    if isinstance(given, np.ndarray | np.generic | int | float | list | tuple):
        return None
    if isinstance(given, DeviceArray) and given.device is device:
        return Borrowed(given.address, given.shape, given.dtype, None, lambda: None)
    if hasattr(given, "__dlpack_device__") and hasattr(given, "__dlpack__"):
        return _from_dlpack(given, device)
    interface = getattr(given, "__cuda_array_interface__", None)
    return None if interface is None else _from_interface(interface, device)


def _from_interface(interface: dict[str, Any], device: Device) -> Borrowed:
    if interface.get("mask") is not None:
        raise ArgumentError("a masked array on the device", fix="Fill in what is masked.")
    if interface.get("stream") is not None:
        device.wait_for(interface["stream"])
    return Borrowed(interface["data"][0], tuple(interface["shape"]), np.dtype(interface["typestr"]),
                    interface.get("strides"))


def _from_dlpack(given: Any, device: Device) -> Borrowed | None:
    where = tuple(map(int, given.__dlpack_device__()))
    if where[0] != CUDA:
        return None
    if where != device.dlpack_device:
        raise DeviceError("an array on another device", where=device.name, expected=f"device {device.dlpack_device[1]}",
                          got=f"device {where[1]}")
    return from_capsule(given.__dlpack__(stream=device.stream_number))


def from_capsule(capsule: Any) -> Borrowed:
    """Takes over the array of a DLPack capsule. Raises ArgumentError for one that is used, or of an unknown type."""
    if not _is_capsule(capsule, NEW):
        raise ArgumentError("no unused DLPack capsule", got=repr(capsule))
    managed = ctypes.cast(_pointer_of(capsule, NEW), POINTER(_Managed))
    tensor = managed.contents.tensor
    if tensor.code not in KINDS or tensor.lanes != 1 or tensor.bits % 8:
        raise ArgumentError("a type of numbers that NumPy has not", got=f"code {tensor.code}, {tensor.bits} bits",
                            fix="Convert it to float32.")
    _rename(capsule, USED)
    dtype = np.dtype(f"{KINDS[tensor.code]}{tensor.bits // 8}")
    shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
    strides = tuple(tensor.strides[i] * dtype.itemsize for i in range(tensor.ndim)) if tensor.strides else None

    def release() -> None:
        if managed.contents.deleter:
            managed.contents.deleter(managed)

    return Borrowed((tensor.data or 0) + tensor.byte_offset, shape, dtype, strides, release)


