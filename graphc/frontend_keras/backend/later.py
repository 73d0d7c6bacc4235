"""Functions of K that are not built yet: each says so when it is called.

What does not live here: anything that computes.
"""

from __future__ import annotations

from typing import Any, NoReturn

from graphc.errors import GraphcError


class NotBuiltError(GraphcError, NotImplementedError):
    """A part of the Keras API that this version does not have yet."""


class _NotBuilt:
    """Stands in the place of a function of K."""

    def __init__(self, name: str):
        self.__name__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotBuiltError(f"K.{self.__name__} is not built yet", where="graphc.frontend_keras.backend")


get_session = _NotBuilt("get_session")
set_session = _NotBuilt("set_session")
manual_variable_initialization = _NotBuilt("manual_variable_initialization")
ctc_batch_cost = _NotBuilt("ctc_batch_cost")
ctc_decode = _NotBuilt("ctc_decode")
ctc_label_dense_to_sparse = _NotBuilt("ctc_label_dense_to_sparse")
