"""Functions of K that hand out what only TensorFlow has; each says what to use instead.

What does not live here: anything that computes.
"""

from __future__ import annotations

from typing import Any, NoReturn

from graphc.errors import GraphcError


class OfTensorFlowError(GraphcError, NotImplementedError):
    """A part of the Keras API that makes sense with TensorFlow alone."""


def get_session() -> NoReturn:
    """Raises OfTensorFlowError: there are no sessions."""
    raise OfTensorFlowError("there is no session, because nothing here is TensorFlow's", where="K.get_session",
                            fix="Use K.function to run tensors, K.eval or K.get_value for values, K.set_value to set "
                                "them.")


def set_session(session: Any) -> NoReturn:
    """Raises OfTensorFlowError: there are no sessions."""
    raise OfTensorFlowError("a session of TensorFlow runs nothing here", where="K.set_session",
                            got=type(session).__name__,
                            fix="Leave the call out. K.set_target chooses the device, K.clear_session starts anew.")


def manual_variable_initialization(value: bool) -> None:
    """Nothing: a variable gets its first value when it is first needed, and K.set_value may replace it before.

    value  in Keras, whether the caller's session will initialise variables
    """


def ctc_label_dense_to_sparse(labels: Any, label_lengths: Any) -> NoReturn:
    """Raises OfTensorFlowError: there are no sparse tensors."""
    raise OfTensorFlowError("there are no sparse tensors", where="K.ctc_label_dense_to_sparse",
                            fix="K.ctc_batch_cost takes dense labels and their lengths as they are.")
