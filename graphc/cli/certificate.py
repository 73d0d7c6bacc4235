"""The numerics certificate: what `graphc check --certificate` writes, as one JSON document.

    format, version     what this is
    digest              sha256 of all that follows but `rules` and `run`: equal digests, equal figures
    subject             file, hashes of file, graph, weights and inputs, what was differentiated
    settings            target, algorithms, seed, sizes, tolerances
    environment         versions, platform, processor
    run                 threads: what must not change a figure
    rules               what the figures mean, in words
    inputs, weights     type, shape and hash of every array that went in
    values              every result of every op in topological order, on the target and in float64
    outputs             of the program as it is compiled for use, gradients among them
    first_beyond_tolerance, first_diverged, summary, verdict

The same model, inputs, settings and environment give the same bytes: there is no time and no path in it, and numbers
are written so that they read back exactly; NaN and infinities are the texts "nan", "inf", "-inf".

What does not live here: the entries of values and outputs (entries.py), measuring (measure.py), hashes (provenance.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.cli import measure, provenance
from graphc.cli.entries import CAUSES, output_entries, value_entries
from graphc.cli.gradients import Subject
from graphc.cli.measure import Report, Runs
from graphc.ir.graph import Value
from graphc.ir.lexer import escape
from graphc.ir.printer import names_of

FORMAT, VERSION = "graphc numerics certificate", 1
NOT_DIGESTED = frozenset({"format", "version", "digest", "rules", "run"})
DIVERGED = measure.OUTPUT_TOLERANCE
RULES = {
    "own": "the error of this op alone: against the op in float64 on the operands that the target had",
    "accumulated": "the error against a run that is float64 from the inputs on",
    "relative": "the largest difference, divided by the largest magnitude of the exact value; in `own` of sums and "
                "contractions by the largest sum of magnitudes, since terms may cancel",
    "ulp": "the largest difference in units of the last place of the exact element in the value's own type",
    "steps": "the steps of the loops around the op: first axes of the value, which is measured over all of them",
    "worst": "the element with the largest difference",
    "tolerance": "of own.relative; of outputs, of accumulated.relative",
    "condition": "c = sum_i |x_i df/dx_i| / |y| for every element y of the result, at the exact operands: how much "
                 "relative errors of the operands are magnified; bits = log2(c) are lost in the worst element",
    "method": "moves: c = 1; derivative: the op's gradient rule; sum of magnitudes: f(|x|) / |y| for each factor; "
              "perturbation: an estimate from below, from 4 random changes of relative size 2^-20",
    "special": "pairs: how many elements are so on the target, and in float64; denormal: not 0 and below 2^-126",
    "overflow, underflow": "elements that float64 holds and float32 cannot: beyond its largest number, or not 0 and "
                           "below its smallest normal one",
    "cause": {"why": "a value is further from float64 than settings.diverged", **CAUSES},
}


def certificate(subject: Subject, feed: Sequence[np.ndarray], runs: Runs, report: Report, about: Mapping[str, Any],
                settings: Mapping[str, Any]) -> dict[str, Any]:
    """The document. about: file, its hash, optimizer and loss; settings: how the command was called."""
    values = list(value_entries(runs, report, settings["diverged"]))
    outputs = list(output_entries(subject, runs, report))
    inputs = [_array(value, array) for value, array in _named(runs, feed, subject, states=False)]
    weights = [_array(value, array) for value, array in _named(runs, feed, subject, states=True)]
    beyond = next((v for v in values if not v["passed"]), None) or next((o for o in outputs if not o["passed"]), None)
    body = {
        "subject": _subject(subject, about, inputs, weights), "settings": dict(settings),
        "environment": provenance.environment(settings["target"]), "rules": RULES, "inputs": inputs, "weights": weights,
        "values": values, "outputs": outputs, "first_beyond_tolerance": _place(beyond),
        "first_diverged": _place(next(filter(_has_diverged, values), None)), "summary": _summary(values, outputs),
        "verdict": "within tolerance" if beyond is None else "beyond tolerance"}
    document = {"format": FORMAT, "version": VERSION, "digest": provenance.document_hash(body_of(body)), **body}
    return {**document, "run": provenance.run_conditions()}


def body_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The part that the digest is of."""
    return {key: content for key, content in document.items() if key not in NOT_DIGESTED}


def text_of(document: Mapping[str, Any]) -> str:
    """The document as JSON, one value, array or output a line."""
    lines = []
    for key, content in document.items():
        if isinstance(content, list):
            rows = ",\n".join(f"    {_json(row)}" for row in content)
            lines.append(f"  {_json(key)}: [\n{rows}\n  ]" if rows else f"  {_json(key)}: []")
        elif isinstance(content, dict):
            rows = ",\n".join(f"    {_json(name)}: {_json(value)}" for name, value in content.items())
            lines.append(f"  {_json(key)}: {{\n{rows}\n  }}")
        else:
            lines.append(f"  {_json(key)}: {_json(content)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def summary_of(document: Mapping[str, Any], path: str) -> str:
    """What the certificate says, in a few lines."""
    summary = document["summary"]
    lines = [f"certificate {path}: {document['verdict']}; {summary['gradients']} gradients of "
             f"{document['subject']['gradients_of']}"]
    for what, kind in (("worst own error", "own"), ("worst accumulated error", "accumulated")):
        place = summary[f"worst_{kind}"]
        if place is not None:
            error, ulp = (_text(place[kind][unit]) for unit in ("relative", "ulp"))
            lines.append(f"  {what}: {error}, {ulp} ulp, {_where(place)}")
    beyond, diverged = document["first_beyond_tolerance"], document["first_diverged"]
    if beyond is not None:
        lines.append(f"  first value beyond tolerance: {_where(beyond)}")
    above = f"  first value further than {document['settings']['diverged']:g} from float64: "
    lines.append(above + ("none" if diverged is None else f"{_where(diverged)}: {CAUSES[diverged['cause']]}"
                          + (f", condition {_text(diverged['condition']['max'])}" if diverged["condition"] else "")))
    return "\n".join(lines)


def _where(place: Mapping[str, Any]) -> str:
    what = f"%{place['value']}" + (f" = {place['op']}" if "op" in place else f" ({place['role']})")
    return what + (f", layer {escape(place['layer'])}" if place["layer"] else "")


def _text(number: float | str) -> str:
    return f"{float(number):.2g}"


def _json(content: Any) -> str:
    return json.dumps(content, allow_nan=False)


def _subject(subject: Subject, about: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]],
             weights: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    parts = {"graph_sha256": provenance.graph_hash(subject.plain),
             "weights_sha256": provenance.hash_of(w["sha256"] for w in weights),
             "inputs_sha256": provenance.hash_of(i["sha256"] for i in inputs)}
    return {**about, "graph": subject.plain.name, **parts,
            "measured_graph_sha256": provenance.graph_hash(subject.graph), "gradients_of": subject.of}


def _named(runs: Runs, feed: Sequence[np.ndarray], subject: Subject,
           states: bool) -> Iterator[tuple[tuple[str, Value], np.ndarray]]:
    names = names_of(runs.graph)
    for position, (value, array) in enumerate(zip(runs.graph.inputs, feed, strict=True)):
        if (position in subject.states) == states:
            yield (names[value], value), array


def _array(named: tuple[str, Value], array: np.ndarray) -> dict[str, Any]:
    name, value = named
    return {"name": name, "type": str(value.type), "shape": list(array.shape), "sha256": provenance.array_hash(array)}


def _place(entry: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What names a value, and why it stands out."""
    if entry is None:
        return None
    return {key: entry[key] for key in ("value", "op", "output", "role", "layer", "own", "accumulated", "tolerance",
                                        "condition", "cause") if key in entry}


def _summary(values: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    floats = [v for v in values if v["special"] is not None and v.get("cause") != "zero"]
    return {"values": len(values), "outputs": len(outputs),
            "gradients": sum(o["role"].startswith("gradient") for o in outputs),
            "beyond_tolerance": sum(not e["passed"] for e in (*values, *outputs)),
            "exact": sum(v["own"]["worst"] is None for v in values),
            "within_half_ulp": sum(float(v["own"]["ulp"]) <= 0.5 for v in values),
            "diverged": sum(map(_has_diverged, values)), "zero": sum(v.get("cause") == "zero" for v in values),
            "overflow": sum(v["overflow"] for v in floats), "underflow": sum(v["underflow"] for v in floats),
            "worst_own": _worst_place(floats, "own"), "worst_accumulated": _worst_place(floats, "accumulated"),
            "worst_output": _worst_place(outputs, "accumulated"),
            "worst_condition": _place(max((v for v in floats if v["condition"]), default=None,
                                          key=lambda v: float(v["condition"]["max"])))}


def _has_diverged(entry: Mapping[str, Any]) -> bool:
    return entry.get("cause", "zero") != "zero"


def _worst_place(entries: Sequence[Mapping[str, Any]], kind: str) -> dict[str, Any] | None:
    return _place(max(entries, key=lambda e: float(e[kind]["relative"]), default=None))
