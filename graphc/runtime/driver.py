"""The driver: one native function that walks a program's table, and the loop that pool threads run.

A table entry is three words: the kernel's address, its argument block's address, and 1 where the pool may share the
work; an entry with 2 is a walk of its own, a loop. A kernel is `void(int64_t *args, int64_t thread, int64_t threads)`.
After each step the driver adds each advance's increment to its word, which is how many steps of training run in one
call. A kernel that writes to the status word ends the walk, which leaves the word 0 for the next one.

What does not live here: its text (driver_ir.py), the threads themselves (threads.py), what the words of an
argument block mean (binding.py).
"""

from __future__ import annotations

import ctypes
import hashlib
import platform
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np

from graphc.runtime import driver_ir
from graphc.runtime.cache import kernel_cache
from graphc.runtime.loader import load_functions

# The words of a pool that Python reads or writes; driver_ir.py describes them all.
POOL_WORDS = 40
BUSY, GENERATION, WORKERS, STOP, NEXT = 0, 8, 11, 12, 17
SYSCALL, SCHED_YIELD, FUTEX, SPINS_WORKER, SPINS_CALLER, WANTED = 32, 33, 34, 35, 36, 37

DONE, ALONE = -1, -2  # what `run` returns, unless it is the step whose kernel wrote to the status word

_FUTEX_CALL = {"x86_64": 202, "aarch64": 98}


class Native:
    """The driver's functions, called through ctypes, which releases the GIL."""

    def __init__(self) -> None:
        word = ctypes.c_int64
        names = ("run", "worker", "wake", "acquire", "release", "spin", "shares")
        run, worker, wake, acquire, release, spin, self.shares_address = load_functions(_object_code(), names)
        self.run = ctypes.CFUNCTYPE(word, ctypes.c_void_p)(run)
        self.worker = ctypes.CFUNCTYPE(None, word, word)(worker)
        self.wake = ctypes.CFUNCTYPE(None, word)(wake)
        self.acquire = ctypes.CFUNCTYPE(word, word)(acquire)
        self.release = ctypes.CFUNCTYPE(None, word)(release)
        self.spin = ctypes.CFUNCTYPE(None, word, word)(spin)


@cache
def native() -> Native:
    """The driver's functions, loaded once per process."""
    return Native()


def can_share() -> bool:
    """Whether this platform has what worker threads sleep on."""
    return platform.system() == "Linux" and platform.machine() in _FUTEX_CALL


def fill_constants(pool: np.ndarray) -> None:
    """Write what workers need to sleep and to yield into the words of a pool."""
    libc = ctypes.CDLL(None)
    pool[SYSCALL] = ctypes.cast(libc.syscall, ctypes.c_void_p).value
    pool[SCHED_YIELD] = ctypes.cast(libc.sched_yield, ctypes.c_void_p).value
    pool[FUTEX] = _FUTEX_CALL[platform.machine()]


_when_alone: list[Callable[[], object]] = []


def when_alone(callback: Callable[[], object]) -> None:
    """Call `callback` after a walk whose pool wants workers and has none: the first walk of a forked child."""
    _when_alone.append(callback)


def prepare(table: np.ndarray, status: np.ndarray, pool_address: int) -> Callable[[], int]:
    """A call that walks the table once and returns 0, or 1 if a kernel wrote to the status word.

    table i64[n,3], status i64[1]; the call keeps both alive, and they must not be reallocated.
    """
    run = native().run
    reference = ctypes.byref(_walk(table, status, 1, 0, 0, pool_address))

    def call(argument: Any = reference, table: np.ndarray = table) -> int:
        reached = run(argument)
        if reached == DONE:
            return 0
        if reached == ALONE:
            _find_workers()
            return 0
        return 1

    return call


def run_steps(table: np.ndarray, status: np.ndarray, steps: int, advances: Sequence[tuple[int, int]],
              pool_address: int) -> int | None:
    """Walk the table `steps` times; the step whose kernel wrote to the status word, or None.

    advances: (address of an argument word, bytes to add to it after each step).
    """
    moves = np.array(advances or [(0, 0)], np.int64)
    reached = native().run(ctypes.byref(_walk(table, status, steps, moves.ctypes.data, len(advances), pool_address)))
    if reached == ALONE:
        _find_workers()
    return None if reached < 0 else reached


def _walk(table: np.ndarray, status: np.ndarray, steps: int, advances: int, moves: int, pool: int) -> ctypes.Array:
    if table.dtype != np.int64 or table.shape != (len(table), 3) or not table.flags.c_contiguous:
        raise ValueError(f"a program table is i64[n,3] in C order, not {table.dtype}{list(table.shape)}")
    return (ctypes.c_int64 * 7)(table.ctypes.data, len(table), steps, advances, moves, status.ctypes.data, pool)


def _find_workers() -> None:
    for callback in _when_alone:
        callback()


def _object_code() -> bytes:
    """The driver's object code, from the cache where it has been compiled before."""
    text = driver_ir.text(platform.machine())
    made_by = f"llvmlite {llvmlite.__version__}, {llvm.get_process_triple()}"
    name = "k_" + hashlib.sha256(f"{made_by}\n{text}".encode()).hexdigest()[:40]
    code = kernel_cache().get(name)
    if code is None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        target = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(opt=2, reloc="pic")
        code = target.emit_object(llvm.parse_assembly(text))
        readable = "".join(f"# {line}\n" for line in ["The driver, in LLVM IR.", *text.splitlines()])
        kernel_cache().put(name, readable, code)
    return code
