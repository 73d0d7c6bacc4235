"""A device without a GPU: host memory, and kernels run by the lockstep executor, which checks them on the way.

Slow, and made for tests: see graphc.codegen_cuda.lockstep for what it finds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np

from graphc.codegen_cuda.lockstep import run_kernel
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

POISON = 0xFF  # every byte of fresh memory: NaN in any float type


class LockstepDevice:
    """capacity: bytes that may be allocated at a time."""

    def __init__(self, *, products: bool = False, convolutions: bool = False, capacity: int = 4 << 30):
        self.name, self.capacity = "lockstep", capacity
        self.has_products, self.has_convolutions = products, convolutions
        self.dlpack_device, self.stream_number = (1, 0), None  # it is the host's memory
        self._blocks: dict[int, np.ndarray] = {}
        self._starts: list[int] = []

    # ---- memory

    def allocate(self, size: int) -> int:
        used = sum(block.size for block in self._blocks.values())
        if used + size > self.capacity:
            raise DeviceMemoryError("not enough device memory", where=self.name, expected=f"{size} bytes free",
                                    got=f"{self.capacity - used} of {self.capacity} bytes")
        whole = np.full(size + ALIGNMENT, POISON, np.uint8)
        gap = -whole.ctypes.data % ALIGNMENT
        address = whole.ctypes.data + gap
        self._blocks[address] = whole[gap:gap + size]
        self._starts = sorted(self._blocks)
        return address

    def free(self, address: int) -> None:
        del self._blocks[address]
        self._starts = sorted(self._blocks)

    def bytes_at(self, address: int, size: int) -> np.ndarray:
        """The memory there. Raises DeviceError for what was not allocated as one."""
        at = bisect_right(self._starts, address) - 1
        start = self._starts[at] if at >= 0 else 0
        block = self._blocks.get(start)
        if block is None or address - start + size > block.size:
            raise DeviceError("memory that nobody has allocated", where=self.name, got=f"{size} bytes at {address}")
        return block[address - start:address - start + size]

    def view(self, span: Span) -> np.ndarray:
        return self.bytes_at(span.address, span.nbytes).view(span.dtype)

    def upload(self, address: int, array: np.ndarray) -> None:
        data = np.ascontiguousarray(array)
        self.bytes_at(address, data.nbytes)[...] = data.reshape(-1).view(np.uint8)

    def download(self, array: np.ndarray, address: int) -> None:
        array.reshape(-1).view(np.uint8)[...] = self.bytes_at(address, array.nbytes)

    def copy(self, target: int, source: int, size: int) -> None:
        self.bytes_at(target, size)[...] = self.bytes_at(source, size).copy()

    def clear(self, address: int, size: int) -> None:
        self.bytes_at(address, size)[...] = 0

    # ---- work

    def load(self, kernels: Sequence[tuple[Emitted, str]]) -> list[tuple[str, str]]:
        return [(emitted.source, name) for emitted, name in kernels]

    def launch(self, function: tuple[str, str], blocks: int, arguments: Sequence[Argument]) -> None:
        source, name = function
        run_kernel(source, [self.view(a) if isinstance(a, Span) else a for a in arguments], blocks, name)

    def multiply(self, product: Product) -> None:
        a, b, c = (self._matrices(product, i) for i in range(3))
        made = a @ b
        if product.bias is not None:
            made = made + self.view(product.bias)
        c[...] = np.maximum(made, 0) if product.activation == "relu" else made

    def _matrices(self, product: Product, which: int) -> np.ndarray:
        """The batch of matrices of one operand, as a view of the memory."""
        span = (product.a, product.b, product.c)[which]
        rows, columns = ((product.m, product.k), (product.k, product.n), (product.m, product.n))[which]
        turned = which < 2 and product.turned[which]
        size, step, apart = span.dtype.itemsize, product.steps[which], product.apart[which]
        strides = (apart * size, size, step * size) if turned else (apart * size, step * size, size)
        return np.lib.stride_tricks.as_strided(self.view(span), (product.batch, rows, columns), strides)

    def convolves(self, convolution: Convolution) -> bool:
        return True

    def convolve(self, convolution: Convolution) -> None:
        """In float64: a place of the windows at a time."""
        at = convolution.geometry
        shapes = {"x": (at.items, *at.extents, at.channels), "w": (at.filters, *at.window, at.channels),
                  "y": (at.items, *at.positions, at.filters)}
        arrays = {name: np.zeros(shape) if getattr(convolution, name) is convolution.result
                  else self.view(getattr(convolution, name)).reshape(shape).astype(np.float64)
                  for name, shape in shapes.items()}
        w, y = arrays["w"], arrays["y"]
        x = np.pad(arrays["x"], [(0, 0), *((zeros, zeros) for zeros in at.padding), (0, 0)])
        for place in np.ndindex(*at.window):
            seen = (slice(None), *(slice(k * d, k * d + (p - 1) * s + 1, s) for k, d, p, s in
                                   zip(place, at.dilations, at.positions, at.strides, strict=True)))
            weights = (slice(None), *place)
            if convolution.kind == "forward":
                y += x[seen] @ w[weights].T
            elif convolution.kind == "data":
                x[seen] += y @ w[weights]
            else:
                w[weights] = np.tensordot(y, x[seen], (range(y.ndim - 1),) * 2)
        x = x[(slice(None), *(slice(zeros, zeros + n) for zeros, n in zip(at.padding, at.extents, strict=True)))]
        total = {"forward": y, "filter": w, "data": x}[convolution.kind]
        if convolution.bias is not None:
            total = total + self.view(convolution.bias)
        made = np.maximum(total, 0) if convolution.activation == "relu" else total
        self.view(convolution.result)[...] = made.reshape(-1)

    def record(self, work: Callable[[], None]) -> _Replay:
        return _Replay(work)

    def wait(self) -> None:
        pass

    def wait_for(self, stream: int) -> None:
        pass


class _Replay:
    """Recorded work: done again, call by call."""

    def __init__(self, work: Callable[[], None]):
        self._work = work

    def launch(self) -> None:
        self._work()
