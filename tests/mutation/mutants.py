"""Small faults in a module, one at a time: what a slip of the hand might have made of its source.

Compared the other way, off by one, a condition or a switch turned round, a statement or a result left out, a word
changed. What an error says in words is left alone.

What does not live here: running tests against them (running.py).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_SWAPPED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
            ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
            ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
            ast.Div: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
            ast.Pow: ast.Mult, ast.UAdd: ast.USub, ast.USub: ast.UAdd, ast.Break: ast.Continue, ast.Continue: ast.Break}


@dataclass(frozen=True)
class Mutant:
    """line and what: where the source was changed, and how."""

    number: int
    line: int
    what: str

    def of(self, source: str) -> str:
        """The source with this fault."""
        tree = ast.parse(source)
        list(_places(tree))[self.number][2]()
        return ast.unparse(ast.fix_missing_locations(tree))


def mutants(source: str) -> list[Mutant]:
    """Every fault of one place, in the order of the lines."""
    found = [Mutant(number, node.lineno, what) for number, (node, what, _) in enumerate(_places(ast.parse(source)))]
    return sorted(found, key=lambda mutant: mutant.line)


Place = tuple[ast.AST, str, Callable[[], None]]


def _places(tree: ast.AST) -> Iterator[Place]:
    """(the node that says the line, what is changed there, a function that does it)."""
    for node in _walk(tree):
        for field, value in _fields(node):
            if isinstance(value, list):
                for at, one in enumerate(value):
                    yield from _here(one, node, lambda new, value=value, at=at: value.__setitem__(at, new))
            else:
                yield from _here(value, node, lambda new, node=node, field=field: setattr(node, field, new))


def _fields(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """The fields that hold code: no annotations, no words of errors."""
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns") and not (field == "exc" and isinstance(value, ast.Call)):
            yield field, value


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those below annotations, docstrings, words of errors and texts with numbers in them."""
    yield tree
    for _, value in _fields(tree):
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, ast.AST) and not isinstance(one, ast.JoinedStr) and not _is_docstring(one):
                yield from _walk(one)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _here(node: Any, above: ast.AST, put: Callable[[ast.AST], None]) -> Iterator[Place]:
    """The faults of one node; none of anything else."""
    where = node if hasattr(node, "lineno") else above
    kind = type(node)
    if kind in _SWAPPED and hasattr(where, "lineno") and not (isinstance(above, ast.BinOp) and _is_annotation(above)):
        other = _SWAPPED[kind]
        yield where, f"{kind.__name__} becomes {other.__name__}", lambda: put(other())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node, "not is left out", lambda: put(node.operand)
    elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
        yield node, "the condition is turned round", lambda: _negate(node)
    elif isinstance(node, ast.Constant) and not _is_docstring(above):
        yield from _constant(node, put)
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield node, "returns None", lambda: setattr(node, "value", ast.Constant(None))
    elif isinstance(node, ast.Raise):
        yield node, "does not raise", lambda: put(ast.Pass())
    elif isinstance(node, ast.Expr) and not _is_docstring(node) and not isinstance(node.value, (ast.Yield, ast.YieldFrom)):
        yield node, "the call is left out", lambda: put(ast.Pass())
    elif isinstance(node, ast.AugAssign):
        yield node, "the change is left out", lambda: put(ast.Pass())


def _negate(node: ast.If | ast.While | ast.IfExp) -> None:
    node.test = ast.UnaryOp(ast.Not(), node.test)


def _constant(node: ast.Constant, put: Callable[[ast.AST], None]) -> Iterator[Place]:
    value = node.value
    if isinstance(value, bool):
        yield node, f"{value} becomes {not value}", lambda: put(ast.Constant(not value))
    elif isinstance(value, (int, float)):
        yield node, f"{value} becomes {value + 1}", lambda: put(ast.Constant(value + 1))
    elif isinstance(value, (str, bytes)):
        extra = "XX" if isinstance(value, str) else b"XX"
        yield node, f"{value!r:.30} becomes another", lambda: put(ast.Constant(extra + value + extra))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_annotation(node: ast.BinOp) -> bool:
    """X | None where a type is meant."""
    return isinstance(node.op, ast.BitOr) and any(_is_none(side) for side in (node.left, node.right))
