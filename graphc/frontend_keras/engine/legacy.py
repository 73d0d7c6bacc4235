"""Keywords of Keras 1 that Keras 2 still takes, with a warning that shows the new call.

What does not live here: which keywords a layer or a method has (each names its own).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from graphc.errors import warn
from graphc.frontend_keras.utils.checks import KeywordError

Method = Callable[..., Any]


def renamed_keywords(names: Mapping[str, str], hint: str = "", note: str = "",
                     convert: Mapping[str, Callable[..., Any]] = MappingProxyType({})) -> Callable[[Method], Method]:
    """A decorator for `__init__` and other methods: old keyword -> new keyword.

    hint     what the user may have meant by a keyword that is also given by position
    note     what else changed, for the warning
    convert  old keyword -> function (value, args, kwargs) that gives the value of the new one
    """

    def decorate(method: Method) -> Method:
        positions = [name for name in inspect.signature(method).parameters if name != "self"]

        @functools.wraps(method)
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            title = type(self).__name__ if method.__name__ == "__init__" else method.__name__
            old = [name for name in names if name in kwargs and name not in positions]
            for name in old:
                _rename(title, kwargs, name, names[name])
                if name in convert:
                    kwargs[names[name]] = convert[name](kwargs[names[name]], args, kwargs)
            if old:
                warn(f"Update your `{title}` call to the Keras 2 API: `{_call_text(title, args, kwargs)}`"
                     f"{note and '. '}{note}")
            for name in positions[:len(args)]:
                if name in kwargs:
                    raise KeywordError(f"{method.__name__}() got multiple values for argument '{name}'", where=title,
                                       got=_call_text(title, args, kwargs),
                                       fix=hint.format(args=", ".join(map(repr, args)), value=repr(kwargs[name])))
            return method(self, *args, **kwargs)

        return wrapper

    return decorate


def shape_first(add_weight: Method) -> Method:
    """Let `add_weight` take the order of Keras 1, the shape first: add_weight((3, 4), "name")."""

    @functools.wraps(add_weight)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], (tuple, list)):
            kwargs["shape"], *args = args  # type: ignore[assignment]
            if args and isinstance(args[0], str):
                kwargs["name"], *args = args  # type: ignore[assignment]
            args = (kwargs.pop("name", None), kwargs.pop("shape"), *args)
        return add_weight(self, *args, **kwargs)

    return wrapper


def _rename(title: str, kwargs: dict[str, Any], old: str, new: str) -> None:
    if new in kwargs:
        raise KeywordError(f"`{old}` is the Keras 1 name of `{new}`, and both are given", where=title,
                           got=f"{old}={kwargs[old]!r}, {new}={kwargs[new]!r}")
    kwargs[new] = kwargs.pop(old)


def _call_text(title: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    shown = [_value_text(value) for value in args]
    shown += [f"{name}={_value_text(value)}" for name, value in kwargs.items()]
    return f"{title}({', '.join(shown)})"


def _value_text(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return repr(value) if isinstance(value, (int, float, tuple, bool)) or value is None else f"{value!s:.60}"
