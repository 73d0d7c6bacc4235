"""Names: counters per prefix, scopes, unique variable names, and the origin that ops carry.

A name scope is what shows in weight names (`dense_1/kernel:0`); entering the same scope twice makes
`dense_1_1`, as in TensorFlow, on which the weight names in files depend. The origin is what shows in
graphs and errors: the plain layer names, joined by `/`.

What does not live here: who is named (the engine and variables.py).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from graphc.runtime.guards import lock_for_forks

_uids: defaultdict[str, int] = defaultdict(int)
_taken: dict[str, int] = {}
_counting = lock_for_forks()


class _Place(threading.local):
    """Where this thread is: its variable scope and its origin."""

    scope = ""
    origin = ""


_place = _Place()


def get_uid(prefix: str = "") -> int:
    """The next number for `prefix`, from 1."""
    with _counting:
        _uids[prefix] += 1
        return _uids[prefix]


def reset_uids() -> None:
    """Start all counters and all unique names anew."""
    with _counting:
        _uids.clear()
        _taken.clear()


def current_origin() -> str:
    return _place.origin


@contextmanager
def origin(name: str) -> Iterator[None]:
    """Ops made inside carry `name` as their place, nested names joined by `/`.

    Entering the place one is already in adds nothing.
    """
    before = _place.origin
    if name and name != before.rpartition("/")[2]:
        _place.origin = f"{before}/{name}" if before else name
    try:
        yield
    finally:
        _place.origin = before


@contextmanager
def name_scope(name: str) -> Iterator[str]:
    """Variables made inside are named `name/...`; ops made inside carry it as their origin.

    The second time the same scope is entered its name gets the suffix `_1`, then `_2`.
    """
    before = _place.scope
    _place.scope = unique_name(name)
    try:
        with origin(name):
            yield f"{_place.scope}/"
    finally:
        _place.scope = before


def unique_name(name: str) -> str:
    """`name` below the current scope, with a suffix `_1`, `_2`, ... where it is taken already."""
    full = f"{_place.scope}/{name}" if _place.scope else name
    with _counting:
        found, count = full, _taken.get(full, 0)
        while found in _taken:
            count += 1
            found = f"{full}_{count}"
        _taken[full] = count
        _taken.setdefault(found, 0)
        return found
