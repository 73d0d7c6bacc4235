"""Locks of programs: those that share a state run one after the other, and a forked child finds every lock free.

Without, a prediction could read weights half of which a training step in another thread has replaced. Python does not
free the locks of modules that another thread is importing, so a fork waits for the imports of large ones.

What does not live here: the pool, which any number of programs may ask for at once (threads.py).
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol
from weakref import WeakKeyDictionary, WeakSet


class Lockable(Protocol):
    def acquire(self) -> object: ...

    def release(self) -> object: ...


_locks: WeakSet[threading.Lock] = WeakSet()
_numbers = itertools.count()
_numbered: WeakKeyDictionary[threading.Lock, int] = WeakKeyDictionary()
_of_state: WeakKeyDictionary[Any, threading.Lock] = WeakKeyDictionary()
_after: list[Callable[[], object]] = []


def lock_for_forks() -> threading.Lock:
    """A lock that is free in a forked child, whoever held it in the parent."""
    made = threading.Lock()
    with _own:
        _locks.add(made)
    return made


def guard_of(states: Iterable[Any]) -> AbstractContextManager[Any]:
    """What a program over these states holds while it runs; programs that share one of them exclude each other."""
    states = list(states)
    with _own:
        held = {id(lock): lock for state in states if (lock := _of_state.get(state)) is not None}
        fresh = [state for state in states if state not in _of_state]
        if fresh or not held:
            lock = threading.Lock()
            _locks.add(lock)
            _numbered[lock] = next(_numbers)
            _of_state.update((state, lock) for state in fresh)
            held[id(lock)] = lock
        locks = sorted(held.values(), key=_numbered.__getitem__)
    return locks[0] if len(locks) == 1 else _Several(locks)


def when_interrupted(callback: Callable[[], object]) -> None:
    """Call `callback` in a forked child where a thread that does not exist there held a lock."""
    _after.append(callback)


def fork_waits_for(lock: Lockable) -> None:
    """A fork takes the lock first, and both processes release it: what it guards is never cut in two."""
    _waited.append(lock)


def import_whole(name: str) -> ModuleType:
    """import_module, for which a fork in another thread waits."""
    with _importing:
        return import_module(name)


class _Several:
    """Locks that are taken in the one order that all programs keep to."""

    def __init__(self, locks: Sequence[threading.Lock]):
        self._locks = locks

    def __enter__(self) -> None:
        for taken, lock in enumerate(self._locks):
            try:
                lock.acquire()
            except BaseException:
                for other in self._locks[:taken]:
                    other.release()
                raise

    def __exit__(self, *_: object) -> None:
        for lock in self._locks:
            lock.release()


_own, _importing = threading.Lock(), threading.RLock()
_waited: list[Lockable] = [_importing]
_taken: list[Lockable] = []


def _free_all() -> None:
    global _own
    _own = threading.Lock()
    held: list[Any] = [lock for lock in _locks if not _is_free(lock)]
    for lock in held:
        lock._at_fork_reinit()  # release() refuses a lock whose new owner has not told Python so yet
    if held:
        for callback in _after:
            callback()


def _is_free(lock: threading.Lock) -> bool:
    free = lock.acquire(blocking=False)
    if free:
        lock.release()
    return free


def _wait() -> None:
    """Take all locks; an import that is waited for may add one."""
    for lock in _waited:
        lock.acquire()
        _taken.append(lock)


def _go_on() -> None:
    while _taken:
        _taken.pop().release()


os.register_at_fork(before=_wait, after_in_parent=_go_on, after_in_child=_go_on)
os.register_at_fork(after_in_child=_free_all)
