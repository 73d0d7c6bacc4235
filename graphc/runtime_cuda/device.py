"""What a program needs of a device: memory, kernels, copies, products, convolutions, a stream of work to be recorded.

`current` is the GPU, opened when it is first asked for; tests put others in its place with `using`: one that runs
kernels in lockstep (lockstep_device.py), one that checks and keeps what is launched (recording.py).

What does not live here: NVIDIA's driver (nvidia.py), programs (executable.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from graphc.errors import GraphcError
from graphc.ir.program import Emitted

ALIGNMENT = 256  # bytes: of every allocation


class DeviceError(GraphcError):
    """A device that reports a failure."""


class DeviceMemoryError(GraphcError, MemoryError):
    """A device without enough free memory."""


@dataclass(frozen=True)
class Span:
    """The elements of one value in a device's memory."""

    address: int
    count: int
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        return self.count * self.dtype.itemsize


@dataclass(frozen=True)
class Product:
    """c[q,m,n] = f(a[q,m,k] b[q,k,n] + bias[n]) of matrices as they lie in memory, by a library.

    Of each matrix: where it begins, the elements from one row and from one matrix of the batch to the next; turned:
    the memory holds its transpose, and the step is from one column to the next. f is "relu", or nothing. precision: as
    of graphc.passes.choices.Choices.
    """

    a: Span
    b: Span
    c: Span
    m: int
    n: int
    k: int
    batch: int
    steps: tuple[int, int, int]
    apart: tuple[int, int, int]
    turned: tuple[bool, bool]
    bias: Span | None = None
    activation: str = ""
    precision: str = "default"


@dataclass(frozen=True)
class Geometry:
    """Of a convolution. For each of 1 to 3 spatial axes: the extent of x, the size of a window, the step from one to
    the next, the distance of its elements, and the zeros on either side of x."""

    items: int
    extents: tuple[int, ...]
    channels: int
    filters: int
    window: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: tuple[int, ...]

    @property
    def positions(self) -> tuple[int, ...]:
        """How many windows there are along each axis."""
        return tuple((extent + 2 * zeros - (size - 1) * dilation - 1) // stride + 1
                     for extent, zeros, size, stride, dilation in zip(self.extents, self.padding, self.window,
                                                                      self.strides, self.dilations, strict=True))


@dataclass(frozen=True)
class Convolution:
    """x[n,*s,c], y[n,*p,o], w[o,*k,c], each row-major and in one piece, by a library. kind

        forward  y[n,p,o] = f(sum over k, c of x[n, s, c] w[o,k,c] + bias[o]), s = p * stride + k * dilation - padding
        filter   w[o,k,c] = sum over n, p of x[n, s, c] y[n,p,o], the same s
        data     x[n,s,c] = sum over o and all p, k that this s belongs to of y[n,p,o] w[o,k,c]

    x is zero outside.
    f is "relu", behind a bias, or nothing. precision: as of graphc.passes.choices.Choices. Two runs have the same bits.
    """

    kind: str
    geometry: Geometry
    x: Span
    w: Span
    y: Span
    bias: Span | None = None
    activation: str = ""
    precision: str = "default"

    @property
    def result(self) -> Span:
        return {"forward": self.y, "filter": self.w, "data": self.x}[self.kind]

    @property
    def read(self) -> tuple[Span, ...]:
        spans = (self.x, self.w, self.y, self.bias)
        return tuple(span for span in spans if span is not None and span is not self.result)


Function = Any  # a kernel that a device has loaded
Argument = Span | int


class Recorded(Protocol):
    """Work that was recorded, and runs again as one launch."""

    def launch(self) -> None: ...


class Device(Protocol):
    """Calls are carried out in order; `download` waits for all before it."""

    name: str
    has_products: bool
    has_convolutions: bool
    dlpack_device: tuple[int, int]  # DLPack's type and number
    stream_number: int | None  # of the stream that calls are carried out on

    def wait_for(self, stream: int) -> None:
        """Until everything on another library's stream is done."""
        ...

    def allocate(self, size: int) -> int:
        """The address of `size` bytes. Raises DeviceMemoryError."""
        ...

    def free(self, address: int) -> None: ...

    def upload(self, address: int, array: np.ndarray) -> None: ...

    def download(self, array: np.ndarray, address: int) -> None: ...

    def copy(self, target: int, source: int, size: int) -> None: ...

    def clear(self, address: int, size: int) -> None: ...

    def load(self, kernels: Sequence[tuple[Emitted, str]]) -> list[Function]:
        """The kernels, ready to be launched; each with its name for messages."""
        ...

    def launch(self, function: Function, blocks: int, arguments: Sequence[Argument]) -> None: ...

    def multiply(self, product: Product) -> None: ...

    def convolves(self, convolution: Convolution) -> bool:
        """Whether the library has an algorithm for it; only asked where there are convolutions."""
        ...

    def convolve(self, convolution: Convolution) -> None: ...

    def record(self, work: Callable[[], None]) -> Recorded:
        """What `work` asks of this device, not carried out now."""
        ...

    def wait(self) -> None:
        """Until everything is done. Raises DeviceError for what has failed since the last time."""
        ...


_chosen: list[Device] = []


def current() -> Device:
    """The device that programs are compiled for. Raises TargetError, saying what is missing, where there is none."""
    if not _chosen:
        from graphc.runtime_cuda.nvidia import open_device  # needs the extra `cuda`

        _chosen.append(open_device())
    return _chosen[-1]


@contextmanager
def using(device: Device) -> Iterator[Device]:
    """Compile for this device inside of the block."""
    _chosen.append(device)
    try:
        yield device
    finally:
        _chosen.remove(device)
