"""The pool of worker threads that share a kernel's work.

Workers are daemon threads that stay inside the driver's native loop: they look at one word for some
50 microseconds, then sleep in the operating system until woken. One program at a time owns the pool; another
caller runs its kernels alone, with the same results. A forked child starts without workers and
makes new ones at its first call.

There is one block of words for each number of threads that was ever asked for. A program that is bound to
one of them keeps its address: after a change of the number it finds no workers there and runs alone, so it
never sees more threads than it has scratch memory for.

What does not live here: the native loop (driver_ir.py), which kernels are worth sharing (binding.py).
"""

from __future__ import annotations

import atexit
import operator
import os
import threading
import time
import weakref
from functools import cache
from typing import Protocol, SupportsIndex

import numpy as np

from graphc.errors import ArgumentError, warn
from graphc.runtime import driver, guards

MOST_THREADS = 1024
WORKER_LOOKS_NS, CALLER_LOOKS_NS = 50_000, 20_000  # how long a worker looks before it sleeps, a caller before it yields
_PATIENCE_AT_EXIT = 0.05  # seconds


class HoldsBindings(Protocol):
    """Something whose scratch memory was sized for a number of threads."""

    def forget_bindings(self) -> None: ...


class Pool:
    """Words for `threads` threads, the caller included, and the workers that look at them.

    The words live as long as the process, so that programs may hold their address.
    """

    def __init__(self, threads: int):
        self._memory = np.zeros(driver.POOL_WORDS + 8, np.int64)
        self.address = -(-self._memory.ctypes.data // 64) * 64
        self.words = self._memory[(self.address - self._memory.ctypes.data) // 8:][:driver.POOL_WORDS]
        self._wanted = threads - 1
        self._workers: list[threading.Thread] = []

    def start(self) -> None:
        """Start the workers, or as many as the system allows, unless they run.

        Leaves it to the end of the next walk where a program owns the pool: it found workers that were then stopped.
        """
        if self.words[driver.STOP]:
            self.stop()  # which an exception had cut short
        self.words[driver.WANTED] = 0
        if self._workers or not self._wanted:
            return
        if not driver.native().acquire(self.address):
            self.words[driver.WANTED] = self._wanted
            return
        try:
            self._start_workers()
        finally:
            self.words[driver.WORKERS] = len(self._workers)
            driver.native().release(self.address)

    def _start_workers(self) -> None:
        driver.fill_constants(self.words)
        self.words[driver.SPINS_WORKER] = WORKER_LOOKS_NS // _nanoseconds_per_look() + 1
        self.words[driver.SPINS_CALLER] = CALLER_LOOKS_NS // _nanoseconds_per_look() + 1
        self.words[driver.NEXT] = MOST_THREADS  # no share is left
        generation = int(self.words[driver.GENERATION])
        for i in range(self._wanted):
            thread = threading.Thread(target=driver.native().worker, args=(self.address, generation),
                                      daemon=True, name=f"graphc-{i + 1}")
            try:
                thread.start()
            except RuntimeError:
                _warn_once(f"graphc runs on {i + 1} of {self._wanted + 1} threads: the system starts no more")
                break
            self._workers.append(thread)

    def stop(self, patience: float | None = None) -> None:
        """End the workers once no program owns the pool; give up after `patience` seconds, if given."""
        if not self._workers:
            return
        end = None if patience is None else time.monotonic() + patience
        while not driver.native().acquire(self.address):
            if end is not None and time.monotonic() > end:
                return
            time.sleep(0.0005)
        try:
            self.words[driver.WORKERS] = 0
            self.words[driver.STOP] = 1
            driver.native().wake(self.address)
            for thread in self._workers:
                thread.join(patience)
            self._workers.clear()
            self.words[driver.STOP] = 0
        finally:
            driver.native().release(self.address)

    def forget_workers(self) -> None:
        """After a fork: they exist in the parent only. A walk that wants them says so."""
        self.words[:driver.SYSCALL] = 0
        self.words[driver.WANTED] = self._wanted
        self._workers.clear()


_lock = threading.Lock()
_pools: dict[int, Pool] = {}
_listeners: weakref.WeakSet[HoldsBindings] = weakref.WeakSet()
_count: int | None = None
_exiting = False
_warned = False


def count() -> int:
    """Threads that share a kernel: the cores this process may use, or fewer by GRAPHC_NUM_THREADS."""
    global _count
    if _count is None:
        _count = _from_environment()
    return _count


def set_num_threads(threads: SupportsIndex) -> None:
    """Use this many threads from the next call on; results do not depend on it.

    Waits for a running program. Raises ArgumentError for less than one or more than 1024.
    """
    global _count
    wanted = _checked(threads, "set_num_threads", threads)
    with _lock:
        if _count in _pools:
            _pools[_count].stop()
        _count = wanted if driver.can_share() else 1
        listeners = list(_listeners)
    for listener in listeners:  # outside the lock: a listener may wait for a program that asks for the pool
        listener.forget_bindings()


def on_change(listener: HoldsBindings) -> None:
    """Call `listener.forget_bindings()` whenever the number of threads changes."""
    with _lock:
        _listeners.add(listener)


def pool_address(threads: int | None = None) -> int:
    """Where the words of the pool for `threads` threads lie (count(), if not given); starts its workers.

    Without workers where that is no longer the number of threads. A program whose scratch memory is for n threads
    must use the pool for n.
    """
    with _lock:
        current = count()
        wanted = threads or current
        pool = _pools.get(wanted) or _pools.setdefault(wanted, Pool(wanted))
        if wanted == current and not _exiting:
            pool.start()
        return pool.address


def _from_environment() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = os.environ.get("GRAPHC_NUM_THREADS", "").strip()
    number = int(given) if given.isdecimal() else 0
    wanted = min(cores, _checked(given, "GRAPHC_NUM_THREADS", number)) if given else cores
    if wanted > 1 and not driver.can_share():
        _warn_once("graphc runs on one thread: this platform has no futex")
        return 1
    return min(wanted, MOST_THREADS)


def _checked(given: object, where: str, threads: SupportsIndex) -> int:
    try:
        wanted = operator.index(threads)
    except TypeError:
        wanted = 0
    if isinstance(threads, bool) or not 1 <= wanted <= MOST_THREADS:
        raise ArgumentError("not a number of threads", where=where, expected=f"an integer from 1 to {MOST_THREADS}",
                            got=repr(given))
    return wanted


@cache
def _nanoseconds_per_look() -> int:
    """How long one turn of the busy-waiting loops takes: from 2 to 200 ns, by the processor's pause."""
    word, looks = np.zeros(1, np.int64), 256
    spin, times = driver.native().spin, []
    for _ in range(5):
        begin = time.perf_counter_ns()
        spin(word.ctypes.data, looks)
        times.append(time.perf_counter_ns() - begin)
    return max(min(times) // looks, 1)


def _warn_once(message: str) -> None:
    global _warned
    if not _warned:
        _warned = True
        warn(message)


def _after_fork() -> None:
    """The child has no workers: it runs alone until its first walk has returned, which starts new ones."""
    global _lock
    _lock = threading.Lock()
    for pool in _pools.values():
        pool.forget_workers()


def _at_exit() -> None:
    """Let the workers go; a program that still runs keeps its own, which end with the process."""
    global _exiting
    _exiting = True
    for pool in list(_pools.values()):
        pool.stop(_PATIENCE_AT_EXIT)


def _forget_all_bindings() -> None:
    for listener in list(_listeners):
        listener.forget_bindings()


driver.when_alone(pool_address)
guards.when_interrupted(_forget_all_bindings)
os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
