"""Arguments of Keras 2.2.4 against ours: each is accepted under its name, in its position, with its default.

Ours may have more, behind Keras's or by keyword only. A function that takes `**kwargs` in Keras takes it here too, but
what takes `*args, **kwargs` and nothing else there may name here what it takes.

What does not live here: differences that are meant (exceptions.py).
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

from tests.surface.names import ANYTHING, Name


def differences(name: Name, ours: Any) -> list[str]:
    """What a call written for Keras would find different."""
    if name.kind not in ("class", "function", "method") or name.arguments == ANYTHING:
        return []
    try:
        parameters = list(inspect.signature(ours).parameters.values())
    except (TypeError, ValueError):
        return ["has no signature"]
    if name.kind == "method" and parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    return list(_compare(ast.parse(f"def f({name.arguments}): pass").body[0].args, parameters))


def _compare(theirs: ast.arguments, ours: list[inspect.Parameter]) -> Iterator[str]:
    named = {p.name: p for p in ours if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    positional = [p.name for p in ours if p.kind in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY)]
    spread = any(p.kind is p.VAR_POSITIONAL for p in ours)
    keywords = any(p.kind is p.VAR_KEYWORD for p in ours)
    defaults = [None] * (len(theirs.args) - len(theirs.defaults)) + list(theirs.defaults)
    for place, (arg, default) in enumerate(zip(theirs.args, defaults, strict=True)):
        if arg.arg not in named:
            if not keywords or (place >= len(positional) and not spread):
                yield f"{arg.arg} is missing"
            continue
        if place >= len(positional) or positional[place] != arg.arg:
            at = positional.index(arg.arg) if arg.arg in positional else "keyword only"
            yield f"{arg.arg} is argument {at}, not {place}"
        own = named[arg.arg].default
        if default is None and own is inspect.Parameter.empty:
            continue
        if default is None:
            continue  # ours may be left out
        if own is inspect.Parameter.empty:
            yield f"{arg.arg} has no default, Keras: {ast.unparse(default)}"
        elif not _same(default, own):
            yield f"{arg.arg}={own!r}, Keras: {ast.unparse(default)}"
    if theirs.vararg and not spread:
        yield f"*{theirs.vararg.arg} is missing"
    if theirs.kwarg and not keywords:
        yield f"**{theirs.kwarg.arg} is missing"
    known = {arg.arg for arg in theirs.args}
    for parameter in ours:
        needed = parameter.default is parameter.empty and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD,
                                                                             parameter.KEYWORD_ONLY)
        if parameter.name not in known and needed and not theirs.kwarg:
            yield f"{parameter.name} must be given"


def _same(theirs: ast.expr, own: Any) -> bool:
    try:
        value = ast.literal_eval(theirs)
    except ValueError:
        return False
    return (type(value) is type(own) and value == own) or (_number(value) and _number(own) and value == own)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
