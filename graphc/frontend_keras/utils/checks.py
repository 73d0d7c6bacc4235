"""Checks of hyper-parameters and of the keys of configurations.

What does not live here: what a particular optimizer, initializer or constraint demands.
"""

from __future__ import annotations

import difflib
import inspect
import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from graphc.errors import ArgumentError, ModelFormatError


class KeywordError(ArgumentError, TypeError):
    """A keyword that a constructor does not take; a TypeError, as Python itself would raise."""


def number(value: Any, name: str, where: str, expected: str = "a number") -> float:
    """`value` as a Python float. Raises ArgumentError when it is no number."""
    found = _as_number(value)
    if found is None:
        raise ArgumentError(f"`{name}` is not a number", where=where, expected=expected, got=repr(value))
    return found


def path(value: Any, name: str, where: str) -> str:
    """`value` as the text of a path. Raises KeywordError for anything else."""
    if not isinstance(value, (str, os.PathLike)):
        raise KeywordError(f"`{name}` is not a path", where=where, expected="a str or a pathlib.Path", got=repr(value))
    return str(os.fspath(value))


def finite(value: Any, name: str, where: str, *, at_least: float | None = None, below: float | None = None) -> float:
    """`value` as a finite Python float within [at_least, below).

    Raises ArgumentError when it is no number, NaN, infinite, or outside the range.
    """
    found = number(value, name, where, "a finite number")
    if not math.isfinite(found):
        raise ArgumentError(f"`{name}` is not finite", where=where, expected="a finite number", got=found)
    if at_least is not None and found < at_least:
        raise ArgumentError(f"`{name}` is too small", where=where, expected=f"a number >= {at_least:g}", got=found)
    if below is not None and found >= below:
        raise ArgumentError(f"`{name}` is too large", where=where, expected=f"a number < {below:g}", got=found)
    return found


def _as_number(value: Any) -> float | None:
    if isinstance(value, (str, bytes)) or getattr(value, "ndim", 0) != 0:
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that names the known names closest to `name`; empty when none is close."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    if not close:
        return ""
    return "Did you mean " + " or ".join(repr(by_lower[match]) for match in close) + "?"


def parameters_of(build: Callable[..., Any]) -> tuple[str, ...] | None:
    """The keywords that `build` takes, or None when it takes any (**kwargs)."""
    found = inspect.signature(build).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in found):
        return None
    return tuple(parameter.name for parameter in found)


def known_keys(where: str, config: Mapping[str, Any], accepted: Iterable[str],
               neutral: Mapping[str, tuple[Any, ...]] | None = None) -> dict[str, Any]:
    """The part of `config` that `accepted` names.

    neutral   keys of other Keras versions -> the values at which they change nothing; such
              an entry is left out, and any other value of it is refused, never ignored.

    Raises ModelFormatError for a key that is neither accepted nor neutral, and for what is no dict.
    """
    if not isinstance(config, Mapping):
        raise ModelFormatError("config is not a dict", where=where, expected="a dict of keywords", got=repr(config))
    accepted = tuple(accepted)
    neutral = neutral or {}
    kept = {}
    for key, value in config.items():
        if key in accepted:
            kept[key] = value
        elif key in neutral:
            _refuse_unless_neutral(where, key, value, neutral[key])
        else:
            raise ModelFormatError(f"unknown key {key!r} in the configuration", where=where,
                                   expected=", ".join(accepted) or "no key", got=f"{key}={value!r}",
                                   fix=did_you_mean(str(key), accepted))
    return kept


def _refuse_unless_neutral(where: str, key: str, value: Any, harmless: tuple[Any, ...]) -> None:
    if any(value is other or value == other for other in harmless):
        return
    raise ModelFormatError(f"{key!r} is not supported", where=where,
                           expected=" or ".join(repr(other) for other in harmless), got=repr(value))
