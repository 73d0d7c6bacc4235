"""What a program asks of a device, one call at a time, as data: launches, copies, what libraries compute.

What does not live here: the order of a program's calls (schedule.py), how a library's calls are found (forms.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from graphc.errors import ShapeError
from graphc.ir.dims import bind
from graphc.ir.graph import Value
from graphc.ir.program import Emitted
from graphc.runtime_cuda.device import Argument, Convolution, Device, Function, Product, Span

MOST_ELEMENTS = (1 << 31) - 1  # kernels count them in 32 bits


@dataclass(frozen=True)
class KernelCall:
    """One launch of a kernel; reads and writes tell which values, for those who check."""

    function: Function
    blocks: int
    arguments: tuple[Argument, ...]
    name: str

    def run(self, device: Device) -> None:
        if self.blocks:
            device.launch(self.function, self.blocks, self.arguments)


@dataclass(frozen=True)
class CopyCall:
    target: int
    source: int
    size: int

    def run(self, device: Device) -> None:
        if self.size and self.target != self.source:
            device.copy(self.target, self.source, self.size)


@dataclass(frozen=True)
class ClearCall:
    """Zeros."""

    target: int
    size: int

    def run(self, device: Device) -> None:
        device.clear(self.target, self.size)


@dataclass(frozen=True)
class ProductCall:
    product: Product

    def run(self, device: Device) -> None:
        device.multiply(self.product)


@dataclass(frozen=True)
class ConvolutionCall:
    convolution: Convolution

    def run(self, device: Device) -> None:
        device.convolve(self.convolution)


Call = KernelCall | CopyCall | ClearCall | ProductCall | ConvolutionCall


def kernel_call(function: Function, emitted: Emitted, name: str, sizes: Mapping[str, int],
                at: Callable[[Value], int], status: int) -> KernelCall:
    """A launch with its arguments; at: the address of a value. Raises ShapeError for a value of too many elements."""
    arguments: list[Argument] = []
    for word in emitted.words:
        if word.kind == "pointer":
            count = checked_count(number(word.subject.type.size, sizes), name)
            arguments.append(Span(at(word.subject), count, word.subject.type.dtype.numpy))
        elif word.kind == "status":
            arguments.append(Span(status, 1, np.dtype(np.int64)))
        else:
            arguments.append(number(word.subject, sizes))
    return KernelCall(function, number(emitted.grid, sizes), tuple(arguments), name)


def checked_count(count: int, name: str) -> int:
    """The number of a value's elements. Raises ShapeError for too many."""
    if count > MOST_ELEMENTS:
        raise ShapeError("a value is too large for the CUDA target, which counts elements in 32 bits", where=name,
                         expected=f"at most {MOST_ELEMENTS} elements", got=count)
    return count


def number(dim: object, sizes: Mapping[str, int]) -> int:
    """A dimension for these symbol sizes."""
    return int(bind(dim, sizes))  # type: ignore[arg-type]
