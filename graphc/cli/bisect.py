"""`graphc bisect A B`: the first layer in which two models differ, and what is equal before it.

What does not live here: bringing both to one form (sides.py), pairing layers (layers.py), differences (compare.py).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.cli.arguments import ArgumentParser, positive, seed, tolerance
from graphc.cli.compare import FURTHER, Compared, Difference, Outputs, Ran, compared, number
from graphc.cli.files import write_whole
from graphc.cli.inputs import feed_of
from graphc.cli.layers import align, same_program
from graphc.cli.measure import OUTPUT_TOLERANCE
from graphc.cli.sides import Lowered, Side, load_both, lowered, renamed
from graphc.compiler import TARGETS, compile_graph
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.lexer import escape
from graphc.ir.printer import names_of
from graphc.passes.choices import PRECISIONS, Choices

FORMAT, VERSION = "graphc bisection", 1
SHOWN = 6  # differences of one layer, and layers behind the first
EXPLANATION = f"""
Layers are paired by name, else by their order and the shapes of their weights; layers of nested models are named by
their path. In the order in which data runs through A, each pair is compared in configuration, connections and weights,
which must be equal to the bit, and in what it computes from the same inputs: equal to the bit, or as close as two
float32 programs can be asked to be: {OUTPUT_TOLERANCE:g} of the largest value, or {FURTHER} times what random rounding
of all values to float32 makes of it, where that is more.

Either file may be an architecture without weights, which takes the other's, or weights alone, which take the other's
architecture. Give one file twice, with other targets or precisions, to compare these.

status: 0 equal, 1 different, 2 a file could not be read or run.
"""


@dataclass(frozen=True)
class Verdict:
    """All pairs of layers in order. notes: what else to know; run: whether outputs could be compared, else why not."""

    layers: Sequence[Compared]
    notes: Sequence[str]
    run: str = ""

    @property
    def different(self) -> list[Compared]:
        return [layer for layer in self.layers if layer.differences]


def configure(parser: ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXPLANATION
    parser.add_argument("a", metavar="A", help="a model (.json, .yaml, .h5, .keras), weights (.h5) or graph text")
    parser.add_argument("b", metavar="B", help="another one")
    parser.add_argument("--inputs", metavar="FILE", help="an npz file with an array for each input, by name or "
                                                         "numbered from 0 (default: random)")
    parser.add_argument("--batch", type=positive, metavar="N", help="rows of the random inputs (default: 4)")
    parser.add_argument("--seed", type=seed, default=0, metavar="S",
                        help="of the inputs and of weights that neither file holds (default: 0)")
    parser.add_argument("--tolerance", type=tolerance, metavar="T", help="of outputs, relative to the largest value")
    parser.add_argument("--train", action="store_true", help="the whole training step: loss, gradients, new weights")
    parser.add_argument("--optimizer", help="of the training step (default: the file's own, else sgd)")
    parser.add_argument("--loss", help="of the training step (default: the file's own)")
    for side in "ab":
        parser.add_argument(f"--target-{side}", choices=TARGETS, default="cpu", help=f"what {side.upper()} runs on")
        parser.add_argument(f"--precision-{side}", choices=PRECISIONS, default="default",
                            help=f"the algorithms of {side.upper()}")
    parser.add_argument("--json", metavar="FILE", help="write all differences there")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    a, b = load_both(options.a, options.b, options.seed)
    verdict = bisect(a, b, options)
    if options.json:
        write_whole(options.json, json.dumps(document(options, verdict), indent=2, allow_nan=False) + "\n")
    print(report(options, a, b, verdict))
    return 1 if verdict.different else 0


def bisect(a: Side, b: Side, options: argparse.Namespace) -> Verdict:
    """Compare two loaded sides."""
    as_graph = a.is_graph or b.is_graph
    one, two = (lowered(side, options.train, options.optimizer, options.loss, as_graph) for side in (a, b))
    pairs = align(one.pieces, two.pieces)
    names = renamed(pairs)
    layers = [compared(pair, names) for pair in pairs]
    notes = [f"{side}: {what.note}" for side, what in (("a", a), ("b", b)) if what.note]
    others = [f"{y.path} for {x.path}" for x, y in pairs
              if x is not None and y is not None and x.path != y.path and x.kind == y.kind]
    if others:
        notes.append(f"b has other names: {', '.join(others[:SHOWN])}{' ...' if len(others) > SHOWN else ''}")
    reason = _inputs_differ(one, two)
    if reason:
        return Verdict([Compared("inputs", "", [{"what": "inputs", "a": reason[0], "b": reason[1]}]), *layers],
                       notes, "outputs are not compared, as the inputs differ")
    _compare_outputs(one, two, a.model, layers, names, options)
    return Verdict(layers, notes)


def _inputs_differ(one: Lowered, two: Lowered) -> tuple[str, str] | None:
    types = [[str(v.type) for i, v in enumerate(side.graph.inputs) if i not in side.states] for side in (one, two)]
    if one.states and two.states:
        return None if types[0] == types[1] else (", ".join(types[0]), ", ".join(types[1]))
    every = [[str(v.type) for v in side.graph.inputs] for side in (one, two)]
    return None if every[0] == every[1] else (", ".join(every[0]), ", ".join(every[1]))


# ---- outputs


def _compare_outputs(one: Lowered, two: Lowered, model: Any, layers: Sequence[Compared], names: Mapping[str, str],
                     options: argparse.Namespace) -> None:
    """Run both and add to each layer how what it computes differs."""
    states = one.states or {position: state for position, state in two.states.items()}
    feed = feed_of(one.graph, states, model, options.inputs, options.seed, options.batch)
    given = iter(array for position, array in enumerate(feed) if position not in states)
    other = [np.array(two.states[i].array) if i in two.states else feed[i] if not two.states else next(given)
             for i in range(len(two.graph.inputs))]
    ran_a = _run(one.graph, feed, options.target_a, options.precision_a)
    ran_b = _run(two.graph, other, options.target_b, options.precision_b)
    outputs = Outputs(ran_a, ran_b, OUTPUT_TOLERANCE if options.tolerance is None else options.tolerance,
                      options.tolerance is not None)
    by_path = {layer.path: layer for layer in layers}
    far: set[Value] = set()
    for path, x, y in _partners(one, two, names, outputs):
        layer = by_path[path]
        difference, relative = outputs.difference(x, y)
        if difference is None:
            layer.accept(relative, outputs.limit)
            continue
        far.add(x)
        if not any(d["what"] == "outputs" for d in layer.differences):
            layer.differences.append({**difference, **_origin(one, x, far)})


def _origin(side: Lowered, value: Value, far: set[Value]) -> Difference:
    """The op of a value, and whether all that its layer reads was equal."""
    producers = side.graph.producers()
    op = producers[value]
    layer = side.owner[op]
    reads = {v for one in side.graph.ops if side.owner[one] == layer for v in one.operands
             if v not in producers or side.owner[producers[v]] != layer}
    return {"op": op.name, "from_equal_inputs": reads.isdisjoint(far)}


def _run(graph: Graph, feed: Sequence[np.ndarray], target: str, precision: str) -> Ran:
    every = tuple(r for op in graph.ops for r in op.results)
    program = compile_graph(graph.replace(outputs=every), target=target,
                            choices=Choices(precision, device=target == "cuda"))
    found = dict(zip(graph.inputs, feed, strict=True))
    found.update(zip(every, program(*feed), strict=True))
    return Ran(graph, feed, found, names_of(graph))


def _partners(one: Lowered, two: Lowered, names: Mapping[str, str],
              outputs: Outputs) -> Iterator[tuple[str, Value, Value]]:
    """(layer in a, value of a, value of b): all values of two equal programs, else what leaves the layers of both.

    A layer that is called several times may be called in another order: equal values belong together first.
    """
    same = same_program(one.graph, two.graph)
    if same is not None:
        yield from ((one.owner[op], v, same[v]) for op in one.graph.ops for v in op.results)
        return
    leaving = [_leaving(side.graph, side.owner) for side in (one, two)]
    there = {names.get(path, path): values for path, values in leaving[1].items()}
    for path, values in leaving[0].items():
        if len(values) == len(rest := list(there.get(path, ()))):
            for x in values:
                y = next((y for y in rest if outputs.difference(x, y)[0] is None), rest[0])
                rest.remove(y)
                yield path, x, y


def _leaving(graph: Graph, owner: Mapping[Op, str]) -> dict[str, list[Value]]:
    """For every layer the values that others read, or that are outputs, in order."""
    read: dict[Value, set[str]] = {}
    for op in graph.ops:
        for operand in op.operands:
            read.setdefault(operand, set()).add(owner[op])
    found: dict[str, list[Value]] = {}
    for op in graph.ops:
        kept = [v for v in op.results if v in graph.outputs or read.get(v, set()) - {owner[op]}]
        found.setdefault(owner[op], []).extend(kept)
    return found


# ---- telling


def document(options: argparse.Namespace, verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON."""
    different = verdict.different
    place = verdict.layers.index(different[0]) if different else len(verdict.layers)
    entries = [{"layer": one.path, "kind": one.kind, "differences": one.differences} for one in different]
    return {"format": FORMAT, "version": VERSION, "a": options.a, "b": options.b, "seed": options.seed,
            "equal_before": [one.path for one in verdict.layers[:place]],
            "values_equal": sum(one.computed for one in verdict.layers),
            "within": number(max((one.within for one in verdict.layers), default=0.0)),
            "rounded": sum(one.rounded for one in verdict.layers),
            "first": entries[0] if entries else None, "later": entries[1:], "notes": [*verdict.notes, verdict.run]
            if verdict.run else list(verdict.notes)}


def report(options: argparse.Namespace, a: Side, b: Side, verdict: Verdict) -> str:
    """What the command prints."""
    lines = [_head("a", a, options.target_a, options.precision_a), _head("b", b, options.target_b, options.precision_b)]
    lines += [f"note: {escape(note)}" for note in (*verdict.notes, verdict.run) if note]
    different = verdict.different
    place = verdict.layers.index(different[0]) if different else len(verdict.layers)
    lines.append(_equal(verdict.layers[:place], bool(different)))
    if different:
        first = different[0]
        lines.append(f"first difference: {escape(first.path)}" + (f" ({first.kind})" if first.kind else ""))
        lines += _differences(first.differences)
    if different[1:]:
        shown = [f"{escape(one.path)} ({', '.join(dict.fromkeys(d['what'] for d in one.differences))})"
                 for one in different[1:SHOWN + 1]]
        lines.append(f"behind it {len(different) - 1} more differ: {', '.join(shown)}"
                     + (" ..." if len(different) > SHOWN + 1 else ""))
    return "\n".join(lines)


def _head(name: str, side: Side, target: str, precision: str) -> str:
    what = f"graph {side.model.name}" if side.is_graph else f"{side.model.name}, {side.model.count_params()} parameters"
    return f"{name}  {escape(side.path)}: {escape(what)}, on {target}" + (
        f" with precision {precision}" if precision != "default" else "")


def _equal(layers: Sequence[Compared], before: bool) -> str:
    if not layers:
        return "equal before it: nothing"
    names = ", ".join(escape(one.path) for one in layers[-SHOWN:])
    what = f"{len(layers)} layer{'s' * (len(layers) != 1)} ({'... ' * (len(layers) > SHOWN)}{names})"
    return f"{'equal before it' if before else 'equal'}: {what}{_values(layers)}"


def _values(layers: Sequence[Compared]) -> str:
    """How close the values are that count as equal."""
    computed, rounded = (sum(getattr(one, name) for one in layers) for name in ("computed", "rounded"))
    within = max(one.within for one in layers)
    if not computed:
        return ""
    how = f"within {within:.1e}" if within else "equal to the bit"
    further = f", {rounded} of them further apart, as rounding in float32 allows" if rounded else ""
    return f"; {computed} value{'s' * (computed != 1)} {how}{further}"


def _differences(differences: Sequence[Difference]) -> list[str]:
    lines = [f"  {TEXTS[one['what']](one)}" for one in differences[:SHOWN]]
    return lines + [f"  and {len(differences) - SHOWN} more"] * (len(differences) > SHOWN)


def _field(one: Difference) -> str:
    return f"{one['what']}: {escape(one['field'])} is {_value(one['a'])} in a, {_value(one['b'])} in b"


def _sides(one: Difference) -> str:
    return f"{one['what']}: {_value(one['a'])} in a, {_value(one['b'])} in b"


def _weights(one: Difference) -> str:
    if "of" not in one:
        return f"weights: {escape(one['weight'])} is {one['a']} in a, {one['b']} in b"
    return f"weights: {escape(one['weight'])} differs in {one['differ']} of {one['of']} numbers, {_distance(one)}"


def _outputs(one: Difference) -> str:
    origin = "from equal inputs" if one["from_equal_inputs"] else "from inputs that differ"
    if "tolerance" not in one:
        return f"outputs: %{one['value']} ({one['op']}) is {one['a']} in a, {one['b']} in b, {origin}"
    return (f"outputs: %{one['value']} ({one['op']}) differs {_distance(one)}, {origin}; "
            f"tolerance {float(one['tolerance']):.1e}")


def _distance(one: Difference) -> str:
    if one["at"] is None:
        return "in signs of zeros or kinds of NaN"
    return (f"by up to {float(one['relative']):.2g} of the largest, at {one['at']}: {_digits(one['a'])} in a, "
            f"{_digits(one['b'])} in b")


def _digits(number: float | str) -> str:
    return f"{float(number):.9g}"


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return escape(text if len(text) <= 60 else f"{text[:57]}...")


TEXTS = {"layer": _sides, "class": _sides, "connections": _sides, "inputs": _sides, "configuration": _field,
         "operations": _field, "weights": _weights, "outputs": _outputs}
