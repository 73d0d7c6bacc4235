"""Values right away, on the reference evaluator: K.eval, initial values, sizes that are known.

Nothing is compiled here. Random ops draw from step 0 of their seed for initial values, and from one step
further at each K.eval of the same tensor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.frontend_keras.backend.leaves import State
from graphc.frontend_keras.backend.lowering import lower
from graphc.frontend_keras.backend.tensor import Tensor
from graphc.ir.evaluate import evaluate


def values_of(tensors: Sequence[Tensor], step: int = 0) -> list[np.ndarray]:
    """The values of tensors that depend on no placeholder; variables have their present values.

    step  which draw of their sequence random ops give
    """
    lowered = lower(tensors)
    graph = lowered.builder.graph([lowered.values[t] for t in tensors], "eval")
    return evaluate(graph, [_feed(state, step) for state in lowered.states])


def _feed(state: State, step: int) -> np.ndarray:
    return np.full_like(state.array, step) if state.increment else state.array
