"""The rewrite driver: applies rules op by op while rebuilding a graph, until nothing changes.

A rule is a small function `(op, rewriter) -> Value | None`, tagged with the ops it starts from; its
docstring holds the graph before and after, and the tests run it.

What does not live here: the rules (rules_*.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from graphc.errors import CompileError
from graphc.ir.builder import Builder, make_op
from graphc.ir.graph import Graph, Op, Value

Rule = Callable[[Op, "Rewriter"], Value | None]
RULES: dict[str, list[Rule]] = {}
MAX_SWEEPS = 20


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Tag a rule with the names of the ops it starts from."""

    def tag(function: Rule) -> Rule:
        for name in names:
            RULES.setdefault(name, []).append(function)
        return function

    return tag


class Rewriter(Builder):
    """A builder that knows which op made each value."""

    def __init__(self, inputs: Iterable[Value] = ()):
        super().__init__(inputs)
        self._producers: dict[Value, Op] = {}
        self._seen = 0

    def producer(self, value: Value) -> Op | None:
        for op in self.ops[self._seen:]:
            self._producers.update(dict.fromkeys(op.results, op))
        self._seen = len(self.ops)
        return self._producers.get(value)

    def made_by(self, value: Value, name: str) -> Op | None:
        """The op that made `value`, if it is a `name`."""
        op = self.producer(value)
        return op if op is not None and op.name == name else None

    def splat(self, value: Value) -> float | int | bool | None:
        """The number that fills `value` everywhere, if it is a `full`."""
        op = self.made_by(value, "full")
        return None if op is None else op.attr("value")


def rewrite(graph: Graph, rules: dict[str, list[Rule]] | None = None) -> Graph:
    """Apply the rules (default: all of them) until none fires; the same object if none ever did.

    Raises CompileError naming the last rules when they do not come to rest.
    """
    rules = RULES if rules is None else rules
    for _ in range(MAX_SWEEPS):
        swept, fired = _sweep(graph, rules)
        if not fired:
            return graph
        graph = swept
    raise CompileError(f"rewriting did not come to rest in {MAX_SWEEPS} sweeps",
                       where="rewrite", got=f"last rules {', '.join(dict.fromkeys(fired))}")


def _sweep(graph: Graph, rules: dict[str, list[Rule]]) -> tuple[Graph, list[str]]:
    rewriter = Rewriter(graph.inputs)
    new: dict[Value, Value] = {v: v for v in graph.inputs}
    fired: list[str] = []
    for op in graph.ops:
        operands = tuple(new[v] for v in op.operands)
        candidate = op if operands == op.operands else make_op(
            op.spec, operands, op.kwargs, hint=op.hint, origin=op.origin)
        rewriter.origin = op.origin
        replacement = _apply(candidate, rewriter, rules, fired)
        if replacement is None:
            kept = rewriter.add_existing(candidate)
            new.update(zip(op.results, kept.results, strict=True))
        else:
            new[op.result] = replacement
    rebuilt = rewriter.graph((new[v] for v in graph.outputs), graph.name, graph.donations)
    return (rebuilt, fired) if fired or len(rebuilt.ops) < len(graph.ops) else (graph, fired)


def _apply(op: Op, rewriter: Rewriter, rules: dict[str, list[Rule]], fired: list[str]) -> Value | None:
    for candidate in rules.get(op.name, ()):
        value = candidate(op, rewriter)
        if value is not None:
            fired.append(candidate.__name__)
            return value
    return None
