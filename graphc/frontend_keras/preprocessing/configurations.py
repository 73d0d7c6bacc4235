"""Preprocessors as JSON texts: {"class_name", "config"}, parsed and not executed.

What does not live here: what a configuration holds (text.py, sequence.py).
"""

from __future__ import annotations

import inspect
import json
from typing import Any

from graphc.errors import ModelFormatError
from graphc.frontend_keras.utils.checks import known_keys


def described(instance: Any, **kwargs: Any) -> str:
    """The class and `get_config()` of a preprocessor as JSON; keywords go to json.dumps."""
    return json.dumps({"class_name": type(instance).__name__, "config": instance.get_config()}, **kwargs)


def config_of(text: Any, kind: type, beside: tuple[str, ...] = ()) -> dict[str, Any]:
    """The configuration in a text of `described`.

    kind    the class whose arguments it may hold
    beside  further keys

    Raises ModelFormatError.
    """
    found = parsed(text, kind.__name__)
    if not isinstance(found, dict) or not isinstance(found.get("config"), dict):
        raise ModelFormatError("no configuration", where=kind.__name__, expected="the keys class_name and config",
                               got=f"{found!r:.100}")
    return known_keys(kind.__name__, found["config"], (*inspect.signature(kind).parameters, *beside))


def parsed(text: Any, where: str) -> Any:
    """What a JSON text says. Raises ModelFormatError."""
    if not isinstance(text, (str, bytes)):
        raise ModelFormatError("not a text", where=where, expected="JSON", got=type(text).__name__)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"not JSON: {error!s:.200}", where=where) from error
