"""What a row of the table is.

What does not live here: the rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Sample:
    """A call of K on tensors and what it must give.

    name      of the function in K
    call      tensors -> tensor or list of tensors
    expected  arrays -> array or list of arrays, by NumPy alone
    inputs    arrays: floats are differentiated, whole numbers and bools are not
    known     whether all sizes of placeholders are known; else the first one's axis 0 is the batch
    """

    name: str
    call: Callable[..., Any]
    expected: Callable[..., Any]
    inputs: tuple[np.ndarray, ...]
    known: bool = False


def row(name: str, call: Callable[..., Any], expected: Callable[..., Any], *inputs: Any, known: bool = False) -> Sample:
    return Sample(name, call, expected, tuple(np.asarray(x) for x in inputs), known)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Numbers that differ from each other by more than a step of differences, and from 0."""
    found = np.random.RandomState(seed + sum(shape)).randn(*shape)
    return np.where(np.abs(found) < 0.05, found + 0.1, found)


def positive(*shape: int, seed: int = 0) -> np.ndarray:
    return np.abs(normal(*shape, seed=seed)) + 0.1


def shares(*shape: int, seed: int = 0) -> np.ndarray:
    """Positive numbers whose sum along the last axis is 1."""
    found = positive(*shape, seed=seed)
    return found / found.sum(-1, keepdims=True)
