"""Fixing the learning phase of a set of tensors.

What does not live here: the phase itself (backend/phase.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.backend.lowering import walk


def phase_givens(tensors: Sequence[Any], training: bool) -> dict[Any, bool]:
    """The placeholders of the learning phase that `tensors` depend on, with the value to give them.

    Those of sessions that have been cleared are among them.
    """
    return {x: training for x in walk([t for t in tensors if K.is_tensor(t)])
            if isinstance(x, K.Placeholder) and x.default is not None}
