"""The states of NumPy's and Python's global generators, as checkpoints hold them.

    {"numpy": what np.random.get_state(legacy=False) returns,
     "python": {"version": 3, "words": uint32 (625,), "gauss": float or None}}

What does not live here: the seeds of random ops (backend/random.py).
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from graphc.errors import CheckpointError

_WORDS = 624  # of a Mersenne twister


def get_state() -> dict[str, Any]:
    version, words, gauss = random.getstate()
    return {"numpy": np.random.get_state(legacy=False),
            "python": {"version": version, "words": np.array(words, np.uint32), "gauss": gauss}}


def set_state(state: dict[str, Any]) -> None:
    """Set both. Raises CheckpointError where NumPy refuses its part, which `is_state` has not seen through."""
    python = state["python"]
    random.setstate((python["version"], tuple(python["words"].tolist()), python["gauss"]))
    try:
        np.random.set_state(state["numpy"])
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError("not a state of NumPy's generator", where="random", got=str(error)) from error


def changed(before: dict[str, Any], after: dict[str, Any]) -> frozenset[str]:
    """The names of the generators from which numbers were drawn between two states."""
    return frozenset(name for name in before if _plain(before[name]) != _plain(after[name]))


def _plain(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: _plain(part) for name, part in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state


def is_state(found: Any) -> bool:
    """Whether this has the form of a state; of generators of NumPy other than its default, little is known."""
    if not isinstance(found, dict) or not {"numpy", "python"} <= found.keys() or not _is_numpy_state(found["numpy"]):
        return False
    python = found["python"]
    return (isinstance(python, dict) and python.keys() == {"version", "words", "gauss"} and python["version"] == 3
            and _is_words(python["words"], _WORDS + 1) and int(python["words"][-1]) <= _WORDS
            and (python["gauss"] is None or isinstance(python["gauss"], float)))


def _is_numpy_state(state: Any) -> bool:
    if not isinstance(state, dict) or not isinstance(state.get("bit_generator"), str) \
            or not isinstance(state.get("state"), dict):
        return False
    if state["bit_generator"] != "MT19937":
        return True
    inner = state["state"]
    return (state.keys() == {"bit_generator", "state", "has_gauss", "gauss"} and inner.keys() == {"key", "pos"}
            and _is_words(inner["key"], _WORDS) and type(inner["pos"]) is int and 0 <= inner["pos"] <= _WORDS
            and state["has_gauss"] in (0, 1) and isinstance(state["gauss"], float))


def _is_words(array: Any, count: int) -> bool:
    return isinstance(array, np.ndarray) and array.dtype == np.uint32 and array.shape == (count,)
