"""CUDA kernels run without a GPU: their own source, statement by statement, one NumPy lane for each thread.

All threads of a batch of blocks take every statement together, those that a condition excludes as masked lanes, so
that a launch of a million threads is a few hundred NumPy calls. On the way the executor checks what a GPU does not:

    bounds      every load and store against the extent of its value, and that element numbers fit in 32 bits
    races       two threads at one place between two barriers of their block, one of them writing; two blocks at one
                place of global memory
    barriers    all threads of a block meet at each, or none; all of a warp take part in its shuffles and votes
    poison      shared memory and results begin as NaN or as numbers that no kernel makes
    types       no number becomes a float64 that the source did not ask for

A fault raises KernelError, which names the kernel, the line and one thread.

What does not live here: what scalar functions mean (graphc.ir's reference functions), memory and launches of whole
programs (graphc.runtime_cuda).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.codegen_cuda.lockstep.interpreter import Run
from graphc.codegen_cuda.lockstep.threads import NOBODY, POISON, Array, KernelError, Memory, parsed

LANES = 1 << 17  # threads that run at a time


def run_kernel(source: str, arguments: Sequence[Array | int], blocks: int, name: str = "kernel",
               chosen: Sequence[int] | None = None) -> list[Array | None]:
    """Run a launch of `blocks` blocks, or the chosen ones of them; arrays (of one axis, one for each pointer of
    SIGNATURE) change in place. Of each, which elements were written. Raises KernelError.
    """
    kernel = parsed(source)
    if len(arguments) != len(kernel.words):
        raise KernelError("a launch with the wrong number of arguments", where=name, expected=len(kernel.words),
                          got=len(arguments))
    memories = {parameter: Memory(parameter, value) for parameter, value in
                zip(kernel.parameters, arguments, strict=True) if isinstance(value, np.ndarray)}
    for parameter, word in zip(kernel.parameters, kernel.words, strict=True):
        if word.startswith("const_"):
            memories[parameter].data = memories[parameter].data.view()
            memories[parameter].data.flags.writeable = False
    scalars = {p: np.int64(v) for p, v in zip(kernel.parameters, arguments, strict=True)
               if not isinstance(v, np.ndarray)}
    together = max(LANES // kernel.threads, 1)
    numbers = np.arange(blocks) if chosen is None else np.asarray(chosen, np.int64)
    for first in range(0, len(numbers), together):
        Run(kernel, name, memories, scalars, numbers[first:first + together], blocks).run()
    return [memories[p].writers != NOBODY if p in memories else None for p in kernel.parameters]


__all__ = ["POISON", "KernelError", "run_kernel"]
