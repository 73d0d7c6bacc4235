"""Graphs as text: every value named once, one op a line, comments that name the layer of origin.

    graph mlp(%x: f32[B,784], %w: f32[784,10]) {
      %h = matmul(%x, %w) : f32[B,10]  # dense_1
      return %h
    }

A donated output is written `%new -> %state`: it is the new value of the input %state. parser.py reads all
of this back. What does not live here: other formats (export.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from graphc.ir.attributes import attribute_text
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.lexer import escape

COMMENT_COLUMN = 100  # longer lines do not push the comments of the others away
MAX_NAME = 64

_BARE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ILLEGAL = re.compile(r"[^A-Za-z0-9_]+")


def print_graph(graph: Graph) -> str:
    """The graph's text, without a newline at its end. The same graph always gives the same text."""
    return _Printer(graph).graph_text()


def names_of(graph: Graph) -> dict[Value, str]:
    """A legal name for every value: its hint where that is free, else the hint with a number."""
    values = [*graph.inputs, *(result for op in graph.ops for result in op.results)]
    names: dict[Value, str] = {}
    taken: set[str] = set()
    next_number: dict[str, int] = {}
    for value in values:
        stem = _ILLEGAL.sub("_", value.hint).strip("_")[:MAX_NAME]
        name = stem
        while not name or name in taken:
            next_number[stem] = next_number.get(stem, 0) + 1
            name = f"{stem or 'v'}{'_' * bool(stem)}{next_number[stem]}"
        taken.add(name)
        names[value] = name
    return names


def op_text(op: Op, names: Mapping[Value, str]) -> str:
    """One op on one line (more where it holds a graph), its origin behind it."""
    lines = _op_lines(op, names)
    return _with_comment(lines, op.origin, len(lines[-1]) + 2)


class _Printer:
    def __init__(self, graph: Graph):
        self.graph, self.names = graph, names_of(graph)

    def graph_text(self) -> str:
        inputs = ", ".join(f"%{self.names[v]}: {v.type}" for v in self.graph.inputs)
        return "\n".join([f"graph {graph_name(self.graph.name)}({inputs}) {{", *self._op_texts(),
                          f"  {self._return_text()}", "}"])

    def _op_texts(self) -> Iterable[str]:
        texts = [_op_lines(op, self.names) for op in self.graph.ops]
        widths = [len(lines[-1]) for op, lines in zip(self.graph.ops, texts, strict=True) if op.origin]
        column = max((w for w in widths if w <= COMMENT_COLUMN), default=0)
        return [_indent(_with_comment(lines, op.origin, column))
                for op, lines in zip(self.graph.ops, texts, strict=True)]

    def _return_text(self) -> str:
        state_of = dict(self.graph.donations)
        outputs = []
        for position, value in enumerate(self.graph.outputs):
            arrow = f" -> {_ref(self.graph.inputs[state_of[position]], self.names)}" if position in state_of else ""
            outputs.append(_ref(value, self.names) + arrow)
        return f"return {', '.join(outputs)}".rstrip()


def graph_name(name: str) -> str:
    """A graph's name as it stands in text: bare where it is a plain word, else quoted."""
    return name if _BARE_NAME.fullmatch(name) else json.dumps(name)


def _ref(value: Value, names: Mapping[Value, str]) -> str:
    return f"%{names[value]}" if value in names else "%<undefined>"


def _op_lines(op: Op, names: Mapping[Value, str]) -> list[str]:
    results = ", ".join(_ref(v, names) for v in op.results)
    operands = ", ".join(_ref(v, names) for v in op.operands)
    attrs = ", ".join(f"{name}={_attr_text(value)}" for name, value in op.attrs)
    types = ", ".join(str(v.type) for v in op.results)
    arguments = f"({operands})" if operands or not attrs else ""
    return f"{results} = {op.name}{arguments}{f'{{{attrs}}}' if attrs else ''} : {types}".split("\n")


def _attr_text(value: object) -> str:
    if isinstance(value, Graph):
        return print_graph(value)
    return attribute_text(value)


def _with_comment(lines: list[str], origin: str, column: int) -> str:
    if origin:
        lines = [*lines[:-1], f"{lines[-1].ljust(column)}  # {origin_text(origin)}"]
    return "\n".join(lines)


def origin_text(origin: str) -> str:
    """An origin as a comment; a space at an end, which a comment would lose, is escaped too."""
    text = escape(origin)
    if text.startswith(" "):
        text = "\\x20" + text[1:]
    return text[:-1] + "\\x20" if text.endswith(" ") else text


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))
