"""`graphc bisect A B`: the first layer in which two models differ, and what is equal before it.

What does not live here: bringing both to one form (sides.py), pairing layers (layers.py), differences (compare.py),
running both (running.py).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphc.cli.arguments import ArgumentParser, add_trusted, positive, seed, tolerance
from graphc.cli.compare import FURTHER, Compared, Difference, compared, number
from graphc.cli.files import write_whole
from graphc.cli.layers import align
from graphc.cli.measure import OUTPUT_TOLERANCE
from graphc.cli.running import arrays_for, compare_outputs, explicit_inputs
from graphc.cli.sides import Side, load_both, lowered, renamed
from graphc.ir.lexer import escape
from graphc.passes.choices import PRECISIONS, TARGETS

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
    """All pairs of layers in order. notes: what else to know."""

    layers: Sequence[Compared]
    notes: Sequence[str]

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
    add_trusted(parser)
    parser.add_argument("--json", metavar="FILE", help="write all differences there")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    a, b = load_both(options.a, options.b, options.seed, options.trusted)
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
    types = [[str(v.type) for v in explicit] for explicit in explicit_inputs(one, two)]
    if types[0] != types[1]:
        said = Compared("inputs", "", [{"what": "inputs", "a": ", ".join(types[0]), "b": ", ".join(types[1])}])
        layers = [said, *layers]
    arrays = arrays_for(one, two, a, b, options)
    if arrays is None:
        return Verdict(layers, [*notes, "outputs are not compared, as the inputs differ"])
    compare_outputs(one, two, arrays, layers, names, options)
    return Verdict(layers, notes)


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
            "first": entries[0] if entries else None, "later": entries[1:], "notes": list(verdict.notes)}


def report(options: argparse.Namespace, a: Side, b: Side, verdict: Verdict) -> str:
    """What the command prints."""
    lines = [_head("a", a, options.target_a, options.precision_a), _head("b", b, options.target_b, options.precision_b)]
    lines += [f"note: {escape(note)}" for note in verdict.notes]
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
