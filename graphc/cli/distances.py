"""How far apart two arrays are: relative to the largest magnitude, in units of the last place, and where most.

What does not live here: whose arrays they are (measure.py, certificate.py, bisect.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Worst:
    """The element where the difference is largest, as plain numbers."""

    at: tuple[int, ...]
    found: float
    exact: float


def relative_error(found: np.ndarray, exact: np.ndarray, scale: float) -> float:
    """The largest difference, relative to `scale` or to the largest magnitude of `exact`, whichever is larger.

    Infinite where NaN or infinities do not agree, or where integers or truth values differ.
    """
    if found.dtype.kind != "f":
        return 0.0 if np.array_equal(found, exact) else math.inf
    furthest = largest_difference(found, exact)
    if not furthest:
        return 0.0
    most = max(scale, largest(exact))
    return furthest / most if most else math.inf


def ulp_error(found: np.ndarray, exact: np.ndarray) -> float:
    """The largest difference in units of the last place of the exact result, element by element."""
    if found.dtype.kind != "f":
        return relative_error(found, exact, 0.0)
    difference = difference_of(found, exact)
    if not difference.size:
        return 0.0
    with np.errstate(all="ignore"):
        unit = np.spacing(np.abs(exact).astype(found.dtype)).astype(np.float64)
        return float(np.where(difference > 0, difference / np.where(np.isfinite(unit), unit, 1), 0).max())


def worst_of(found: np.ndarray, exact: np.ndarray) -> Worst | None:
    """The first element with the largest difference; None where there is no difference."""
    difference = difference_of(found, exact) if found.dtype.kind == "f" else (found != exact).astype(np.float64)
    if not difference.size or not difference.max():
        return None
    at = np.unravel_index(int(difference.argmax()), difference.shape)
    return Worst(tuple(int(i) for i in at), float(found[at]), float(exact[at]))


def largest_difference(found: np.ndarray, exact: np.ndarray) -> float:
    """The largest |found - exact|, as `difference_of` has it."""
    difference = difference_of(found, exact)
    return float(difference.max()) if difference.size else 0.0


def difference_of(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """|found - exact|, 0 where both are NaN or the same infinity, infinite where only one is."""
    with np.errstate(all="ignore"):
        rounded = np.asarray(exact).astype(found.dtype)
        same = (found == rounded) & ~np.isfinite(found) | np.isnan(found) & np.isnan(rounded)
        special = ~(np.isfinite(found) & np.isfinite(rounded))
        difference = np.abs(found.astype(np.float64) - exact)
    return np.where(same, 0.0, np.where(special, np.inf, difference))


def largest(array: np.ndarray) -> float:
    """The largest magnitude among the finite elements, 0 where there are none."""
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    return float(np.abs(finite).max()) if finite.size else 0.0
