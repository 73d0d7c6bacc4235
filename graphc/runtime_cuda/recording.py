"""A device that carries nothing out: it checks every call and keeps it, for tests and for reports.

Checked: addresses lie in what was allocated, sizes fit, grids, blocks and shared memory are within the limits of
every device from compute capability 8.0 on, what a kernel reads was written before, what a library writes lies apart
from what it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from graphc.ir.program import Emitted
from graphc.runtime_cuda.device import (
    ALIGNMENT,
    Argument,
    Convolution,
    DeviceError,
    DeviceMemoryError,
    Product,
    Span,
)

VECTOR = 16  # bytes of the widest load: where a library's operands may begin
MOST_BLOCKS, MOST_THREADS, MOST_ARGUMENTS = (1 << 31) - 1, 1024, 4096


@dataclass(frozen=True)
class Event:
    """kind: allocate, free, upload, download, copy, clear, launch, multiply, convolve or replay."""

    kind: str
    name: str = ""
    blocks: int = 0
    threads: int = 0
    arguments: tuple[Argument, ...] = ()
    size: int = 0


class RecordingDevice:
    """events: what was asked for, in order."""

    def __init__(self, *, products: bool = True, convolutions: bool = True, capacity: int = 1 << 40):
        self.name, self.capacity = "recording", capacity
        self.has_products, self.has_convolutions = products, convolutions
        self.dlpack_device, self.stream_number = (1, 0), None
        self.events: list[Event] = []
        self._blocks: dict[int, int] = {}
        self._written: dict[int, np.ndarray] = {}
        self._next = ALIGNMENT
        self._recording = False

    def allocate(self, size: int) -> int:
        if sum(self._blocks.values()) + size > self.capacity:
            raise DeviceMemoryError("not enough device memory", where=self.name, expected=f"{size} bytes free",
                                    got=f"{self.capacity - sum(self._blocks.values())} bytes")
        address = self._next
        self._next += -(-(size + 1) // ALIGNMENT) * ALIGNMENT
        self._blocks[address], self._written[address] = size, np.zeros(size, bool)
        self.events.append(Event("allocate", size=size))
        return address

    def free(self, address: int) -> None:
        del self._blocks[address], self._written[address]
        self.events.append(Event("free"))

    def _bytes(self, address: int, size: int) -> np.ndarray:
        for start, extent in self._blocks.items():
            if start <= address and address + size <= start + extent:
                return self._written[start][address - start:address - start + size]
        raise DeviceError("memory that nobody has allocated", where=self.name, got=f"{size} bytes at {address}")

    def _read(self, address: int, size: int, what: str) -> None:
        if not self._bytes(address, size).all():
            raise DeviceError(f"{what} reads what nobody has written", where=self.name,
                              got=f"{size} bytes at {address}")

    def upload(self, address: int, array: np.ndarray) -> None:
        self._bytes(address, array.nbytes)[...] = True
        self.events.append(Event("upload", size=array.nbytes))

    def download(self, array: np.ndarray, address: int) -> None:
        self._read(address, array.nbytes, "a download")
        array[...] = 0
        self.events.append(Event("download", size=array.nbytes))

    def copy(self, target: int, source: int, size: int) -> None:
        self._read(source, size, "a copy")
        self._bytes(target, size)[...] = True
        self.events.append(Event("copy", size=size))

    def clear(self, address: int, size: int) -> None:
        self._bytes(address, size)[...] = True
        self.events.append(Event("clear", size=size))

    def load(self, kernels: Sequence[tuple[Emitted, str]]) -> list[tuple[Emitted, str]]:
        return list(kernels)

    def launch(self, function: tuple[Emitted, str], blocks: int, arguments: Sequence[Argument]) -> None:
        emitted, name = function
        words = emitted.source.split('SIGNATURE = "')[1].split('"')[0].split()
        if not 0 < blocks <= MOST_BLOCKS or not 0 < emitted.threads <= MOST_THREADS:
            raise DeviceError("a launch that no device takes", where=name, got=f"{blocks} blocks of {emitted.threads}")
        if len(words) != len(arguments) or 8 * len(words) > MOST_ARGUMENTS:
            raise DeviceError("arguments that do not fit", where=name, expected=words, got=arguments)
        for word, argument in zip(words, arguments, strict=True):
            if word.endswith("*") != isinstance(argument, Span):
                raise DeviceError("an argument of the wrong kind", where=name, expected=word, got=argument)
            if isinstance(argument, Span):
                if argument.address % argument.dtype.itemsize:
                    raise DeviceError("a crooked address", where=name, got=argument)
                if word.startswith("const_"):
                    self._read(argument.address, argument.nbytes, name)
                else:
                    self._bytes(argument.address, argument.nbytes)[...] = True
        self.events.append(Event("launch", name, blocks, emitted.threads, tuple(arguments)))

    def multiply(self, product: Product) -> None:
        bias = [] if product.bias is None else [product.bias]
        self._made("a product", (product.a, product.b, *bias), product.c)
        self.events.append(Event("multiply", size=product.m * product.n * product.k * product.batch))

    def convolves(self, convolution: Convolution) -> bool:
        return True

    def convolve(self, convolution: Convolution) -> None:
        at = convolution.geometry
        counts = {"x": prod((at.items, *at.extents, at.channels)), "w": prod((at.filters, *at.window, at.channels)),
                  "y": prod((at.items, *at.positions, at.filters)), "bias": at.filters}
        for name, count in counts.items():
            span = getattr(convolution, name)
            if span is not None and (span.count != count or span.address % VECTOR):
                raise DeviceError(f"a convolution's {name} that does not fit", where=self.name,
                                  expected=f"{count} elements from a multiple of {VECTOR} bytes on", got=span)
        self._made("a convolution", convolution.read, convolution.result)
        self.events.append(Event("convolve", convolution.kind, size=counts["y"] * prod((*at.window, at.channels))))

    def _made(self, what: str, read: Sequence[Span], written: Span) -> None:
        """What a library reads and writes, which must lie apart."""
        for span in read:
            self._read(span.address, span.nbytes, what)
            if span.address < written.address + written.nbytes and written.address < span.address + span.nbytes:
                raise DeviceError(f"{what} writes over what it reads", where=self.name, expected=span, got=written)
        self._bytes(written.address, written.nbytes)[...] = True

    def record(self, work: Callable[[], None]) -> _Replay:
        """The work's events, once; each launch of it is one event."""
        work()
        return _Replay(self)

    def wait(self) -> None:
        pass

    def wait_for(self, stream: int) -> None:
        pass


class _Replay:
    def __init__(self, device: RecordingDevice):
        self._device = device

    def launch(self) -> None:
        self._device.events.append(Event("replay"))
