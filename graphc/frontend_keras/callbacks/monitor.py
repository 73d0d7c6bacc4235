"""What "better" means for a monitored quantity.

What does not live here: what is done about it (control.py, checkpoint.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, warn


def known_mode(mode: str, where: str) -> str:
    """`mode` when it is auto, min or max; else auto, with a warning."""
    if mode in ("auto", "min", "max"):
        return mode
    warn(f"{where} mode {mode} is unknown, fallback to auto mode.", RuntimeWarning)
    return "auto"


def grows(monitor: str, mode: str, also: tuple[str, ...] = ()) -> bool:
    """Whether larger is better; auto: for names that contain acc or start with one of `also`.

    Raises ArgumentError for a monitor that is no name.
    """
    if not isinstance(monitor, str):
        raise ArgumentError("`monitor` is not a name in the logs", where="callbacks", got=repr(monitor),
                            expected="a str such as 'val_loss'")
    if mode == "auto":
        return "acc" in monitor or monitor.startswith(also)
    return mode == "max"


def comparison(larger_is_better: bool) -> tuple[Any, float]:
    """The test that a value is better than another, and the value that everything is better than."""
    return (np.greater, -np.inf) if larger_is_better else (np.less, np.inf)


def value_of(monitor: str, logs: Mapping[str, Any], what: str) -> Any:
    """The monitored value; None, with a warning that begins with `what`, when the logs lack it."""
    value = logs.get(monitor)
    if value is None:
        warn(f"{what} conditioned on metric `{monitor}` which is not available. "
             f"Available metrics are: {','.join(logs)}", RuntimeWarning)
    return value
