"""Graphs for other programs: JSON, and DOT for drawing.

Both name values as the printed text does. What does not live here: the text form (printer.py), reading back
(only text is read back).
"""

from __future__ import annotations

import json
from typing import Any

from graphc.ir.attributes import attribute_text
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.printer import names_of
from graphc.ir.types import TensorType

LABEL = 60  # characters of a label's line in a drawing


def graph_json(graph: Graph) -> str:
    """The graph as JSON: name, inputs, ops, outputs and donations.

    A size is a number or the text of an expression; NaN and infinities are the strings "nan", "inf", "-inf"; an
    attribute that JSON has no word for is its graph text.
    """
    return json.dumps(graph_data(graph), indent=2, allow_nan=False)


def graph_data(graph: Graph) -> dict[str, Any]:
    """What `graph_json` writes, as plain lists and dictionaries."""
    names = names_of(graph)
    inputs = [{"name": names[v], "type": _type(v.type)} for v in graph.inputs]
    donations = [{"output": o, "input": names[graph.inputs[i]]} for o, i in graph.donations]
    return {"graph": graph.name, "inputs": inputs, "ops": [_op(op, names) for op in graph.ops],
            "outputs": [names[v] for v in graph.outputs], "donations": donations}


def graph_dot(graph: Graph) -> str:
    """The graph in Graphviz's language: a box for every op, an ellipse for every input and output."""
    names = names_of(graph)
    node_of: dict[Value, str] = {}
    lines = [f"digraph {quoted(graph.name)} {{", "  rankdir=TB;", '  node [fontname="monospace"];']
    for number, value in enumerate(graph.inputs):
        node_of[value] = f"in{number}"
        lines.append(f"  in{number} [shape=ellipse, label={_label(f'%{names[value]}', str(value.type))}];")
    for number, op in enumerate(graph.ops):
        node_of.update((result, f"op{number}") for result in op.results)
        lines.append(f"  op{number} [shape=box, label={_label(op.name, *_attr_lines(op), op.origin)}];")
        lines += [f"  {_edge(node_of[v], f'op{number}', v)}" for v in op.operands]
    states = dict(graph.donations)
    for number, value in enumerate(graph.outputs):
        state = f"-> %{names[graph.inputs[states[number]]]}" if number in states else ""
        lines.append(f"  out{number} [shape=ellipse, style=bold, label={_label(f'output {number}', state)}];")
        lines.append(f"  {_edge(node_of[value], f'out{number}', value)}")
    return "\n".join([*lines, "}"])


def _op(op: Op, names: dict[Value, str]) -> dict[str, Any]:
    return {"op": op.name, "operands": [names[v] for v in op.operands],
            "attributes": {name: _attribute(value) for name, value in op.attrs},
            "results": [{"name": names[v], "type": _type(v.type)} for v in op.results], "origin": op.origin}


def _type(type: TensorType) -> dict[str, Any]:
    return {"dtype": type.dtype.name, "shape": [_attribute(d) for d in type.shape]}


def _attribute(value: Any) -> Any:
    if isinstance(value, Graph):
        return graph_data(value)
    if isinstance(value, tuple):
        return [_attribute(v) for v in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    text = attribute_text(value)
    return value if isinstance(value, float) and text not in ("nan", "inf", "-inf") else text


def _attr_lines(op: Op) -> list[str]:
    return [f"{name}={'...' if isinstance(value, Graph) else attribute_text(value)}" for name, value in op.attrs]


def _edge(source: str, target: str, value: Value) -> str:
    return f"{source} -> {target} [label={quoted(str(value.type))}];"


def _label(*lines: str) -> str:
    shown = [line if len(line) <= LABEL else f"{line[:LABEL]}..." for line in lines if line]
    return '"' + r"\n".join(quoted(line)[1:-1] for line in shown) + '"'


def quoted(text: str) -> str:
    """A DOT string; Graphviz gives a meaning to backslashes, so each one stands for itself."""
    printable = "".join(c if c.isprintable() else "?" for c in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
