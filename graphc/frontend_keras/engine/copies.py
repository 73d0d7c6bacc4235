"""Copies of layers by `copy` and `pickle`: everything but the graph that they are part of.

A copy has the weights' values and the penalties on weights. It has not been called: it has no nodes, and nothing that
hangs on the inputs of a call.

Variables are copied by their values, whoever holds them: `copyreg` is told here.

What does not live here: copies of models (pickling.py).
"""

from __future__ import annotations

import copyreg
from typing import Any

import numpy as np

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.backend import Variable

_OF_CALLS = ("_inbound_nodes", "_outbound_nodes")
_ATTACHED = ("_losses", "_updates", "_per_input_losses", "_per_input_updates")


class Copyable:
    """What `copy.copy`, `copy.deepcopy` and `pickle` do with a layer."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _OF_CALLS + _ATTACHED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__.update((name, []) for name in _OF_CALLS)
        self.__dict__.update((name, [] if name in ("_losses", "_updates") else {}) for name in _ATTACHED)
        with K.name_scope(state["name"]), K.name_scope("weight_regularizer"):
            for regularizer, variable in state["_penalised_weights"]:
                self.add_loss(regularizer(variable))  # type: ignore[attr-defined]


def _variable(value: np.ndarray, dtype: str, name: str, constraint: Any) -> Variable:
    return Variable(value, dtype, name, constraint)


def _reduced(variable: Variable) -> tuple[Any, ...]:
    return _variable, (np.array(variable.array), variable.dtype, variable.name, variable.constraint)


copyreg.pickle(Variable, _reduced)
