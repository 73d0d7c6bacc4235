"""The names of keras.engine.training_utils that scripts import.

What does not live here: what they name; only the cut into batches is here.
"""

from __future__ import annotations

from typing import Any

from graphc.frontend_keras.engine.objectives import collect_metrics
from graphc.frontend_keras.engine.objectives import weighted_objective as weighted_masked_objective
from graphc.frontend_keras.engine.standardize import check_lengths as check_array_length_consistency
from graphc.frontend_keras.engine.standardize import input_arrays
from graphc.frontend_keras.engine.training_arrays import batch_shuffled as batch_shuffle
from graphc.frontend_keras.utils.data_utils import Sequence, iter_sequence_infinite
from graphc.frontend_keras.utils.generic_utils import slice_arrays

__all__ = ["batch_shuffle", "check_array_length_consistency", "collect_metrics", "is_generator_or_sequence",
           "is_sequence", "iter_sequence_infinite", "make_batches", "slice_arrays", "standardize_input_data",
           "weighted_masked_objective"]


def make_batches(size: int, batch_size: int) -> list[tuple[int, int]]:
    """First row and end of each batch of `size` rows; the last one may be smaller."""
    return [(first, min(size, first + batch_size)) for first in range(0, size, batch_size)]


def is_sequence(data: Any) -> bool:
    return isinstance(data, Sequence)


def is_generator_or_sequence(data: Any) -> bool:
    return is_sequence(data) or hasattr(data, "__next__")


def standardize_input_data(data: Any, names: list[str], shapes: Any = None, check_batch_axis: bool = True,
                           exception_prefix: str = "") -> list[Any]:
    """One array for each name, from an array, a list or a dict. Raises ArgumentError, ShapeError (ValueErrors)."""
    return input_arrays(data, names, [None] * len(names) if shapes is None else shapes, exception_prefix or "input")
