"""Delta debugging: from a failing case to a minimal one that fails in the same way.

What is tried, until nothing makes the case smaller: fewer outputs, symbols replaced by their sizes, loops written out,
results replaced by inputs, ops left out, smaller sizes, inputs of simple numbers.

What does not live here: the checks that fail (cases.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from graphc.errors import GraphcError
from graphc.ir import Builder, Graph, evaluate
from graphc.ir.bind_dims import BindDims
from graphc.ir.printer import print_graph
from graphc.passes.dce import dce
from graphc.passes.scan_prune import prune_scans
from tests.fuzz.cases import Case, guilty_pass, verdict
from tests.ir.unrolling import unrolled

SECONDS = 60.0  # of this process on a core


@dataclass(frozen=True)
class Shrunk:
    """A minimal case, how many cases were tried, and in how many seconds of a core."""

    case: Case
    tried: int
    seconds: float

    @property
    def ops(self) -> int:
        return count_ops(self.case.graph)


def count_ops(graph: Graph) -> int:
    """All ops, those in the bodies of loops too."""
    return len(graph.ops) + sum(count_ops(op.attr("body")) for op in graph.ops if op.name == "scan")


def shrink(case: Case, check: Callable[[Case], None], seconds: float = SECONDS) -> Shrunk:
    """The smallest case found in this time that fails in the same way as `case` does."""
    return _Shrinker(case, check, seconds).run()


def report(shrunk: Shrunk, check: Callable[[Case], None]) -> str:
    """What failed, the pass after which results differ, the graph as text that `graphc.parse` reads, and its inputs."""
    case = shrunk.case
    try:
        check(case)
        failure = "passes now"
    except (Exception, pytest.fail.Exception) as error:
        failure = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    lines = [f"# {failure}", f"# first pass after which results differ: {guilty_pass(case) or 'none of them'}",
             print_graph(case.graph).rstrip()]
    for value, array in zip(case.graph.inputs, case.arrays, strict=True):
        shown = np.array2string(array, threshold=40, separator=", ").replace("\n", "\n#   ")
        lines.append(f"# {value.type}: {shown}")
    return "\n".join(lines)


class _Shrinker:
    def __init__(self, case: Case, check: Callable[[Case], None], seconds: float):
        self.case, self.check, self.begun = case, check, time.process_time()
        self.end, self.tried = self.begun + seconds, 0
        self.kind = verdict(check, case)
        if not self.kind:
            raise ValueError("the case does not fail")

    def run(self) -> Shrunk:
        smaller = True
        while smaller and not self.late:
            smaller = False
            for ways in (fewer_outputs, known_sizes, without_loops, cut, left_out, smaller_dims, simple_numbers):
                smaller |= self._descend(ways)
        return Shrunk(self.case, self.tried, time.process_time() - self.begun)

    @property
    def late(self) -> bool:
        return time.process_time() > self.end

    def _descend(self, ways: Callable[[Case], Iterator[Case]]) -> bool:
        """Take the first way that still fails, again and again; whether any did."""
        found, moved = True, False
        while found and not self.late:
            found = False
            for candidate in self._valid(ways):
                self.tried += 1
                if verdict(self.check, candidate) == self.kind:
                    self.case, found, moved = candidate, True, True
                    break
                if self.late:
                    break
        return moved

    def _valid(self, ways: Callable[[Case], Iterator[Case]]) -> Iterator[Case]:
        before = weight(self.case)
        for candidate in ways(self.case):
            candidate = tidy(candidate)
            if weight(candidate) < before:
                yield candidate


def weight(case: Case) -> tuple[int, ...]:
    """What is to become small, most important first."""
    graph = case.graph
    symbols = len({name for v in graph.inputs for name in v.type.symbols})
    plain = sum(len(np.unique(a)) for a in case.arrays)
    return (count_ops(graph), len(graph.outputs), len(graph.inputs), symbols, sum(a.size for a in case.arrays), plain)


def tidy(case: Case) -> Case:
    """Without ops and inputs that nobody needs; an input stays that alone tells a symbol."""
    graph = dce(case.graph)
    read = {v for op in graph.ops for v in op.operands} | set(graph.outputs)
    states = {i for _, i in graph.donations}
    needed = {name for i, v in enumerate(graph.inputs) if v in read or i in states for name in v.type.symbols}
    needed |= {name for op in graph.ops for r in op.results for name in r.type.symbols} | _inner_symbols(graph)
    kept = {i for i, value in enumerate(graph.inputs) if value in read or i in states}
    for name in needed:
        tellers = [i for i, v in enumerate(graph.inputs) if i not in states and name in map(str, v.type.shape)]
        if kept.isdisjoint(tellers):
            kept.update(tellers[:1])
    places = {old: new for new, old in enumerate(sorted(kept))}
    graph = graph.replace(inputs=tuple(graph.inputs[i] for i in sorted(kept)),
                          donations=tuple((o, places[i]) for o, i in graph.donations))
    return Case(graph, [case.arrays[i] for i in sorted(kept)])


def _inner_symbols(graph: Graph) -> set[str]:
    bodies = [op.attr("body") for op in graph.ops if op.name == "scan"]
    return {name for body in bodies for v in (*body.inputs, *(r for op in body.ops for r in op.results))
            for name in v.type.symbols}.union(*map(_inner_symbols, bodies))


# ---- ways to make a case smaller


def fewer_outputs(case: Case) -> Iterator[Case]:
    """One of the outputs alone, then each left out; with it what it is donated to stops being a state."""
    count = len(case.graph.outputs)
    for keep in [*([i] for i in range(count)), *([j for j in range(count) if j != i] for i in range(count))]:
        if len(keep) < count:
            yield with_outputs(case, keep)


def with_outputs(case: Case, keep: list[int]) -> Case:
    donated = dict(case.graph.donations)
    outputs = tuple(case.graph.outputs[i] for i in keep)
    donations = tuple((new, donated[old]) for new, old in enumerate(keep) if old in donated)
    return Case(case.graph.replace(outputs=outputs, donations=donations), case.arrays)


def known_sizes(case: Case) -> Iterator[Case]:
    for names in (case.sizes, *({name: size} for name, size in case.sizes.items())):
        yield Case(BindDims(names)(case.graph), case.arrays)


def without_loops(case: Case) -> Iterator[Case]:
    if any(op.name == "scan" for op in case.graph.ops):
        yield Case(prune_scans(case.graph), case.arrays)
        yield Case(unrolled(case.graph, case.sizes), case.arrays)


def cut(case: Case) -> Iterator[Case]:
    """The results of one op as inputs of their values, and one value in place of an output; halves of the graph first."""
    graph, ops = case.graph, case.graph.ops
    try:
        known = evaluate(graph, case.arrays, every=True)
    except GraphcError:
        return
    count = len(ops)
    chunk = max(count // 2, 1)
    while chunk >= 1:
        for start in range(0, count, chunk):
            yield _as_inputs(case, ops[start:start + chunk], known)
        if chunk == 1:
            break
        chunk //= 2
    if not case.states:
        for op in ops:
            for result in op.results:
                if len(graph.outputs) == 1 and result not in graph.outputs:
                    yield Case(graph.replace(outputs=(result,)), case.arrays)


def _as_inputs(case: Case, ops, known) -> Case:
    graph, gone = case.graph, set(ops)
    results = [r for op in ops for r in op.results]
    return Case(graph.replace(inputs=(*graph.inputs, *results), ops=tuple(op for op in graph.ops if op not in gone)),
                [*case.arrays, *(np.array(known[r], order="C") for r in results)])


def left_out(case: Case) -> Iterator[Case]:
    """One op's result replaced by a value of its type that stands before it; in the bodies of loops too."""
    for graph in shortened(case.graph):
        yield Case(graph, case.arrays)


def shortened(graph: Graph) -> Iterator[Graph]:
    before = list(graph.inputs)
    for op in graph.ops:
        if len(op.results) == 1:
            direct = [v for v in op.operands if v.type == op.result.type]
            for value in dict.fromkeys([*direct, *(v for v in before if v.type == op.result.type)]):
                yield replaced(graph, {op.result: value})
        if op.name == "scan":
            for body in shortened(op.attr("body")):
                yield with_attrs(graph, op, {"body": dce(body)})
        before.extend(op.results)


def replaced(graph: Graph, instead: dict) -> Graph:
    """The graph with other values in place of some results."""
    b, new = Builder(graph.inputs), {v: v for v in graph.inputs}
    for op in graph.ops:
        made = b.copy(op, [new[v] for v in op.operands])
        new.update(zip(op.results, made.results, strict=True))
        new.update({r: new[instead[r]] for r in op.results if r in instead})
    return b.graph([new[v] for v in graph.outputs], graph.name, graph.donations)


def with_attrs(graph: Graph, changed, attrs: dict) -> Graph:
    """The graph with other attributes of one op, whose results keep their types."""
    b, new = Builder(graph.inputs), {v: v for v in graph.inputs}
    for op in graph.ops:
        kwargs = {**op.kwargs, **attrs} if op is changed else op.kwargs
        made = b.emit_op(op.spec, [new[v] for v in op.operands], kwargs, origin=op.origin)
        new.update(zip(op.results, made.results, strict=True))
    return b.graph([new[v] for v in graph.outputs], graph.name, graph.donations)


def smaller_dims(case: Case) -> Iterator[Case]:
    """Every size of one number replaced by a smaller one, wherever it stands; where that breaks a rule, not."""
    sizes = sorted({d for v in (*case.graph.inputs, *(r for op in case.graph.ops for r in op.results))
                    for d in v.type.shape if isinstance(d, int) and d > 1}, reverse=True)
    for size in sizes:
        for smaller in dict.fromkeys((1, 2, 3, size // 2, size - 1)):
            if smaller < size and (changed := resized(case, size, smaller)) is not None:
                yield changed


def resized(case: Case, size: int, smaller: int) -> Case | None:
    b, new, arrays = Builder(), {}, []
    try:
        for value, array in zip(case.graph.inputs, case.arrays, strict=True):
            type_ = value.type.with_shape(tuple(smaller if d == size else d for d in value.type.shape))
            new[value] = b.input(type_, value.hint)
            arrays.append(array[tuple(slice(smaller) if d == size else slice(None) for d in value.type.shape)])
        for op in case.graph.ops:
            attrs = {name: _resized(name, value, size, smaller) for name, value in op.attrs}
            made = b.emit_op(op.spec, [new[v] for v in op.operands], attrs)
            new.update(zip(op.results, made.results, strict=True))
        graph = b.graph([new[v] for v in case.graph.outputs], case.graph.name, case.graph.donations)
    except (GraphcError, ArithmeticError, ValueError):
        return None
    return Case(graph, [np.array(a, order="C") for a in arrays])


def _resized(name, value, size, smaller):
    if isinstance(value, Graph):
        return resized_body(value, size, smaller)
    if name in ("shape", "limits", "length", "extents"):
        return tuple(smaller if d == size else d for d in value) if isinstance(value, tuple) else \
            smaller if value == size else value
    return value


def resized_body(body: Graph, size: int, smaller: int) -> Graph:
    made = resized(Case(body, [np.zeros((0,) * v.type.rank) for v in body.inputs]), size, smaller)
    if made is None:
        raise ValueError("the body does not fit")
    return made.graph


def simple_numbers(case: Case) -> Iterator[Case]:
    """Ones, or the numbers 0, 1, 2, ..., in place of an input's, where those are not simpler already."""
    for i, array in enumerate(case.arrays):
        for simple in (np.ones_like(array), np.arange(array.size).reshape(array.shape).astype(array.dtype)):
            if len(np.unique(simple)) < len(np.unique(array)):
                yield Case(case.graph, [*case.arrays[:i], simple, *case.arrays[i + 1:]])
