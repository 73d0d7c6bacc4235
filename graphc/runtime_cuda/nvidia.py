"""NVIDIA GPUs through the driver's own interface (cuda-bindings): memory, modules, launches, graphs.

Plain device memory, one stream, one context. Everything that can be missing is named with what to install.

What does not live here: which kernels (compiler.py), libraries (blas.py, cudnn.py).
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np

from graphc import codegen, codegen_cuda
from graphc.codegen_cuda.compiling import compile_source
from graphc.errors import TargetError
from graphc.ir.program import Emitted
from graphc.runtime.cache import kernel_cache
from graphc.runtime_cuda.device import Argument, Convolution, DeviceError, DeviceMemoryError, Product, Span

OLDEST_DRIVER = 13000  # CUDA 13.0
OLDEST_DEVICE = (8, 0)
INSTALL = 'Install the extra: pip install "graphc-compiler[cuda]".'


def open_device(number: int = 0) -> NvidiaDevice:
    """The GPU of this number. Raises TargetError: no cuda-bindings, no driver, one too old, no GPU, one too old."""
    driver = _driver()
    problem = {"where": "cuda", "fix": "Use target='cpu', or a machine with an NVIDIA GPU and its driver."}
    try:
        error, = driver.cuInit(0)
    except Exception as missing:  # cuda-bindings finds the driver's library at the first call
        raise TargetError("the NVIDIA driver cannot be loaded", got=str(missing).rstrip("."), **problem) from missing
    if error != driver.CUresult.CUDA_SUCCESS:
        raise TargetError("the NVIDIA driver does not start", got=_text(driver, error), **problem)
    version = _done(driver, driver.cuDriverGetVersion())
    if version < OLDEST_DRIVER:
        raise TargetError("the NVIDIA driver is too old", where="cuda", got=_version(version),
                          expected=f"CUDA {_version(OLDEST_DRIVER)} or newer", fix="Update the driver.")
    count = _done(driver, driver.cuDeviceGetCount())
    if count <= number:
        raise TargetError("there is no such GPU", expected=f"GPU {number}", got=f"{count} GPUs", **problem)
    return NvidiaDevice(driver, number)


def _driver() -> Any:
    try:
        return import_module("cuda.bindings.driver")
    except ImportError as error:
        raise TargetError("the CUDA target needs cuda-bindings", where="cuda", got="not installed",
                          fix=INSTALL) from error


class NvidiaDevice:
    """One GPU. Raises TargetError for one that is too old."""

    def __init__(self, driver: Any, number: int):
        self._driver = driver
        handle = self._do(driver.cuDeviceGet(number))
        self.name = self._do(driver.cuDeviceGetName(128, handle)).split(b"\0")[0].decode()
        attribute = driver.CUdevice_attribute
        self.capability = tuple(self._do(driver.cuDeviceGetAttribute(one, handle)) for one in (
            attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
            attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR))
        if self.capability < OLDEST_DEVICE:
            raise TargetError("the GPU is too old", where=self.name, got="compute capability {}.{}".format(
                *self.capability), expected="8.0 or newer", fix="Use target='cpu'.")
        self._context = self._do(driver.cuDevicePrimaryCtxRetain(handle))
        self._make_current()
        self.dlpack_device = (2, number)
        self.stream = self._do(driver.cuStreamCreate(driver.CUstream_flags.CU_STREAM_NON_BLOCKING))
        self.stream_number: int | None = int(self.stream)
        self._functions: dict[str, Any] = {}
        self._products = _products(self)
        self.has_products = self._products is not None
        self._convolutions = _convolutions(self)
        self.has_convolutions = self._convolutions is not None

    def _make_current(self) -> None:
        self._do(self._driver.cuCtxSetCurrent(self._context))

    def _do(self, result: tuple[Any, ...]) -> Any:
        return _done(self._driver, result)

    # ---- memory

    def allocate(self, size: int) -> int:
        self._make_current()
        error, *found = self._driver.cuMemAlloc(max(size, 1))
        if error == self._driver.CUresult.CUDA_ERROR_OUT_OF_MEMORY:
            free, total = self._do(self._driver.cuMemGetInfo())
            raise DeviceMemoryError("not enough device memory", where=self.name, expected=f"{size} bytes free",
                                    got=f"{free} of {total} bytes", fix="Use a smaller batch.")
        return int(_done(self._driver, (error, *found)))

    def free(self, address: int) -> None:
        self._make_current()
        self._do(self._driver.cuStreamSynchronize(self.stream))
        self._do(self._driver.cuMemFree(address))

    def upload(self, address: int, array: np.ndarray) -> None:
        data = np.ascontiguousarray(array)
        if data.nbytes:
            self._make_current()
            self._do(self._driver.cuMemcpyHtoDAsync(address, data.ctypes.data, data.nbytes, self.stream))
            self._do(self._driver.cuStreamSynchronize(self.stream))  # the array may go as soon as this returns

    def download(self, array: np.ndarray, address: int) -> None:
        self._make_current()
        if array.nbytes:
            self._do(self._driver.cuMemcpyDtoHAsync(array.ctypes.data, address, array.nbytes, self.stream))
        self.wait()

    def copy(self, target: int, source: int, size: int) -> None:
        self._make_current()
        self._do(self._driver.cuMemcpyDtoDAsync(target, source, size, self.stream))

    def clear(self, address: int, size: int) -> None:
        self._make_current()
        self._do(self._driver.cuMemsetD8Async(address, 0, size, self.stream))

    # ---- work

    def load(self, kernels: Sequence[tuple[Emitted, str]]) -> list[Any]:
        self._make_current()
        return [self._load(emitted, name) for emitted, name in kernels]

    def _load(self, emitted: Emitted, name: str) -> tuple[Any, int]:
        symbol = symbol_of(emitted.source, self.capability)
        if symbol not in self._functions:
            packed = _prebuilt(emitted.source, self.capability) or kernel_cache().get(symbol)
            if packed is None:
                packed = built(emitted.source, name, self.capability)
                kernel_cache().put(symbol, emitted.source, packed)
            entry, cubin = packed.split(b"\0", 1)
            module = self._do(self._driver.cuModuleLoadData(cubin))
            self._functions[symbol] = self._do(self._driver.cuModuleGetFunction(module, entry)), module
        return self._functions[symbol][0], emitted.threads

    def launch(self, function: tuple[Any, int], blocks: int, arguments: Sequence[Argument]) -> None:
        kernel, threads = function
        values = tuple(a.address if isinstance(a, Span) else a for a in arguments)
        kinds = tuple(ctypes.c_void_p if isinstance(a, Span) else ctypes.c_int32 for a in arguments)
        self._make_current()
        self._do(self._driver.cuLaunchKernel(kernel, blocks, 1, 1, threads, 1, 1, 0, self.stream, (values, kinds), 0))

    def multiply(self, product: Product) -> None:
        assert self._products is not None
        self._make_current()
        self._products.multiply(product)

    def convolves(self, convolution: Convolution) -> bool:
        assert self._convolutions is not None
        self._make_current()
        return bool(self._convolutions.convolves(convolution))

    def convolve(self, convolution: Convolution) -> None:
        assert self._convolutions is not None
        self._make_current()
        self._convolutions.convolve(convolution)

    def record(self, work: Callable[[], None]) -> _Graph:
        """A CUDA graph of the work, by stream capture."""
        driver = self._driver
        self._make_current()
        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._do(driver.cuStreamBeginCapture(self.stream, mode))
        try:
            work()
        finally:
            graph = self._do(driver.cuStreamEndCapture(self.stream))
        return _Graph(self, driver, self._do(driver.cuGraphInstantiate(graph, 0)), graph)

    def wait(self) -> None:
        self._make_current()
        self._do(self._driver.cuStreamSynchronize(self.stream))

    def wait_for(self, stream: int) -> None:
        self._make_current()
        self._do(self._driver.cuStreamSynchronize(self._driver.CUstream(stream)))


class _Graph:
    """Recorded work, launched as one."""

    def __init__(self, device: NvidiaDevice, driver: Any, executable: Any, graph: Any):
        self._device, self._driver, self._executable, self._graph = device, driver, executable, graph

    def launch(self) -> None:
        self._device._make_current()
        _done(self._driver, self._driver.cuGraphLaunch(self._executable, self._device.stream))

    def __del__(self) -> None:
        self._driver.cuGraphExecDestroy(self._executable)
        self._driver.cuGraphDestroy(self._graph)


def _products(device: NvidiaDevice) -> Any:
    """cuBLASLt, or None where it is not installed."""
    from graphc.runtime_cuda.blas import open_products

    return open_products(device.stream, device.allocate)


def _convolutions(device: NvidiaDevice) -> Any:
    """cuDNN, or None where it is not installed."""
    from graphc.runtime_cuda.cudnn import open_convolutions

    return open_convolutions(device.stream, device.allocate)


def symbol_of(source: str, capability: tuple[int, ...]) -> str:
    """A cubin's name: the hash of its source and of everything else that it depends on."""
    device = "sm_{}{}".format(*capability)
    return "k_" + hashlib.sha256(f"{_environment()}\n{device}\0{source}".encode()).hexdigest()[:40]


def built(source: str, name: str, capability: tuple[int, ...]) -> bytes:
    """The name of a kernel in its cubin, and the cubin, as they are kept. Raises CompileError, TargetError."""
    compiled = compile_source(source, name, (capability[0], capability[1]))
    return compiled.entry.encode() + b"\0" + compiled.cubin


def prebuilt_name(source: str, capability: tuple[int, ...]) -> str:
    """The file of a kernel in the folder GRAPHC_CUBINS, from which a machine without a compiler takes them.

    The name does not depend on the versions of what has compiled it.
    """
    return "sm_{}{}_".format(*capability) + hashlib.sha256(f"{_code()}\0{source}".encode()).hexdigest()[:40] + ".cubin"


def _prebuilt(source: str, capability: tuple[int, ...]) -> bytes | None:
    folder = os.environ.get("GRAPHC_CUBINS")
    path = Path(folder) / prebuilt_name(source, capability) if folder else None
    return path.read_bytes() if path is not None and path.exists() else None


@cache
def _environment() -> str:
    versions = [f"{name} {metadata.version(name)}" for name in ("numba-cuda", "numba", "cuda-bindings")]
    return "\n".join([*versions, _code()])


@cache
def _code() -> str:
    """A hash of the files that turn sources into code."""
    folders = [Path(package.__path__[0]) for package in (codegen, codegen_cuda)]
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    return hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()


def _done(driver: Any, result: tuple[Any, ...]) -> Any:
    """What a driver call has returned. Raises DeviceError for a failure."""
    error, *found = result
    if error != driver.CUresult.CUDA_SUCCESS:
        raise DeviceError("the NVIDIA driver reports an error", where="cuda", got=_text(driver, error))
    return found[0] if len(found) == 1 else tuple(found)


def _text(driver: Any, error: Any) -> str:
    try:
        return str(driver.cuGetErrorString(error)[1].decode())
    except Exception:  # a driver that did not load has no texts
        return str(error)


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
