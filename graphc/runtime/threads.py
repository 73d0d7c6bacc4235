"""The pool of worker threads that share a kernel's work.

Workers are daemon threads that stay inside the driver's native loop: they look at one word for some
50 microseconds, then sleep in the kernel until woken. One program at a time owns the pool; another
caller runs its kernels alone, with the same results. A forked child starts without workers and
makes new ones at its first call.

What does not live here: the native loop (driver.py), which kernels are worth sharing (binding.py).
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import warnings
import weakref
from typing import Protocol

import numpy as np

from graphc.errors import ArgumentError
from graphc.runtime import driver

# Aligned to a cache line by hand; lives as long as the process, so that programs may hold its address.
_memory = np.zeros(driver.POOL_WORDS + 8, np.int64)
_address = -(-_memory.ctypes.data // 64) * 64
_words = _memory[(_address - _memory.ctypes.data) // 8:]
_BUSY, _GENERATION, _WORKERS, _STOP = 0, 8, 40, 48

_lock = threading.Lock()
_workers: list[threading.Thread] = []
_count: int | None = None
_listeners: weakref.WeakSet[HoldsBindings] = weakref.WeakSet()


class HoldsBindings(Protocol):
    """Something whose scratch memory was sized for a number of threads."""

    def forget_bindings(self) -> None: ...


def count() -> int:
    """Threads that share a kernel: GRAPHC_NUM_THREADS, else the cores this process may use."""
    global _count
    if _count is None:
        _count = _from_environment()
    return _count


def set_num_threads(threads: int) -> None:
    """Use this many threads from the next call on; results do not depend on it.

    Waits for a running program. Raises ArgumentError for less than one.
    """
    global _count
    if threads < 1:
        raise ArgumentError("the number of threads", where="set_num_threads", expected="at least 1", got=threads)
    with _lock:
        _stop()
        _count = threads if driver.can_share() else 1
        for listener in list(_listeners):
            listener.forget_bindings()


def on_change(listener: HoldsBindings) -> None:
    """Call `listener.forget_bindings()` whenever the number of threads changes."""
    _listeners.add(listener)


def pool_address() -> int:
    """Where the pool's words lie; starts the workers when first asked."""
    with _lock:
        if not _workers and count() > 1:
            _start(count() - 1)
    return _address


def _start(workers: int) -> None:
    generation = int(_words[_GENERATION])
    for i in range(workers):
        thread = threading.Thread(target=driver.native().worker, args=(_address, i + 1, generation), daemon=True,
                                  name=f"graphc-{i + 1}")
        thread.start()
        _workers.append(thread)
    _words[_WORKERS] = workers


def _stop() -> None:
    while _words[_BUSY]:
        time.sleep(0.0005)
    _words[_WORKERS] = 0
    if _workers:
        _words[_STOP] = 1
        driver.native().wake(_address)
        for thread in _workers:
            thread.join(timeout=1)
        _words[_STOP] = 0
        _workers.clear()


def _from_environment() -> int:
    given = os.environ.get("GRAPHC_NUM_THREADS", "")
    if given.isdigit() and int(given) > 0:
        wanted = int(given)
    elif given:
        raise ArgumentError("not a number of threads", where="GRAPHC_NUM_THREADS", expected="a positive integer",
                            got=repr(given))
    else:
        wanted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if wanted > 1 and not driver.can_share():
        warnings.warn("graphc runs on one thread: this platform has no futex", stacklevel=2)
        return 1
    return wanted


def _after_fork() -> None:
    """The child has no workers: it runs alone until it binds a program, which starts new ones."""
    global _lock
    _lock = threading.Lock()
    _words[:] = 0
    _workers.clear()


def _at_exit() -> None:
    if _workers:
        _words[_STOP] = 1
        driver.native().wake(_address)


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
