"""The entries of a certificate: one for every result of every op, one for every output.

What does not live here: the document around them (certificate.py), measuring (measure.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from graphc.cli import conditioning, distances, measure
from graphc.cli.gradients import Subject
from graphc.cli.measure import Measured, Report, Runs
from graphc.cli.sites import Site
from graphc.ir.graph import Value
from graphc.ir.printer import names_of

AMPLIFIES = 4  # times, and more: a product of two values doubles what both of them have
ZERO = 2.0**-50  # of its terms: what float64 cannot tell from 0
TINY, HUGE = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
CAUSES = {
    "own error": "its own error is beyond tolerance",
    "rounding": "rounding of terms that cancel; within tolerance beside these",
    "amplification": f"it magnifies errors of its operands more than {AMPLIFIES} times",
    "scaling": "it makes elements large that were small beside others, and as far off as those",
    "inherited": "an operand was that far off",
    "zero": "exactly 0 but for float64's rounding of its terms, or an operand was: no relative error says anything"}


def value_entries(runs: Runs, report: Report, diverged: float) -> Iterator[dict[str, Any]]:
    measured = iter(report.values)
    zeros: set[str] = set()
    for site in runs.sites:
        conditions = conditioning.conditions_of(site, runs.sizes)
        alone = measure.alone(site.op, site.operands, runs.sizes, site.steps)
        for number, (one, condition) in enumerate(zip(alone, conditions, strict=True)):
            entry = _value(site, number, next(measured), one, condition)
            if float(entry["accumulated"]["relative"]) > diverged:
                entry["cause"] = _cause(site, number, entry, one, zeros)
                zeros |= {entry["value"]} if entry["cause"] == "zero" else set()
            yield entry


def _value(site: Site, number: int, measured: Measured, alone: np.ndarray,
           condition: conditioning.Condition | None) -> dict[str, Any]:
    found, exact = site.found[number], site.exact[number]
    return {"value": measured.value, "op": measured.op, "layer": measured.layer, "type": measured.type,
            "steps": list(site.steps), "shape": list(found.shape[len(site.steps):]), "passed": measured.passed,
            "own": {"relative": _number(measured.relative), "ulp": _number(measured.ulp),
                    "worst": _worst(distances.worst_of(found, alone))},
            "accumulated": _distance(found, exact), "tolerance": _number(measured.tolerance),
            "tolerance_from": measured.rule, "condition": _condition(condition), **_specials(found, exact)}


def _cause(site: Site, number: int, entry: Mapping[str, Any], alone: np.ndarray, zeros: Collection[str]) -> str:
    """Why a value is far from float64; see RULES."""
    found, exact, condition = site.found[number], site.exact[number], entry["condition"]
    if not entry["passed"]:
        return "own error"
    if condition and distances.largest(exact) <= ZERO * float(condition["terms"]):
        return "zero"
    if found.dtype.kind == "f" and \
            distances.largest_difference(found, alone) >= distances.largest_difference(found, exact) / 2:
        return "rounding"
    errors = [distances.relative_error(a, b, 0.0) for a, b in zip(site.operands, site.exact_operands, strict=True)]
    furthest = max(errors, default=0.0)
    accumulated = float(entry["accumulated"]["relative"])
    if furthest < accumulated / AMPLIFIES:
        return "scaling" if condition and furthest * float(condition["max"]) < accumulated / 2 else "amplification"
    return "zero" if site.reads[errors.index(furthest)] in zeros else "inherited"


def _number(number: float) -> float | str:
    return number if math.isfinite(number) else str(number)


def _distance(found: np.ndarray, exact: np.ndarray) -> dict[str, Any]:
    return {"relative": _number(distances.relative_error(found, exact, 0.0)),
            "ulp": _number(distances.ulp_error(found, exact))}


def _worst(worst: distances.Worst | None) -> dict[str, Any] | None:
    if worst is None:
        return None
    return {"at": list(worst.at), "found": _number(worst.found), "exact": _number(worst.exact)}


def _condition(condition: conditioning.Condition | None) -> dict[str, Any] | None:
    if condition is None:
        return None
    numbers = {**asdict(condition), "bits": condition.bits}
    return {name: _number(n) if isinstance(n, float) else n for name, n in numbers.items()}


def _specials(found: np.ndarray, exact: np.ndarray) -> dict[str, Any]:
    if found.dtype.kind != "f":
        return {"special": None, "overflow": 0, "underflow": 0}
    tests: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "nan": np.isnan, "infinite": np.isinf, "zero": lambda a: a == 0,
             "denormal": lambda a: (a != 0) & (np.abs(a) < TINY)}
    pairs = {name: [int(np.count_nonzero(test(a))) for a in (found, exact)] for name, test in tests.items()}
    beyond = np.isfinite(exact) & (np.abs(exact) > HUGE) if found.dtype == np.float32 else np.zeros(0, bool)
    return {"special": pairs, "overflow": int(np.count_nonzero(beyond)), "underflow": pairs["denormal"][1]}


def output_entries(subject: Subject, runs: Runs, report: Report) -> Iterator[dict[str, Any]]:
    roles = _roles(subject, names_of(runs.graph))
    rows = zip(runs.graph.outputs, runs.outputs, runs.exact, report.outputs, strict=True)
    for number, (value, found, exact, measured) in enumerate(rows):
        yield {"output": number, "role": roles[number], "value": measured.value, "layer": measured.layer,
               "type": str(value.type), "shape": list(found.shape), "passed": measured.passed,
               "accumulated": {**_distance(found, exact), "worst": _worst(distances.worst_of(found, exact))},
               "tolerance": _number(measured.tolerance), "tolerance_from": measured.rule, **_specials(found, exact)}


def _roles(subject: Subject, names: Mapping[Value, str]) -> list[str]:
    """What each output is: an output of the model, the loss, a gradient, the new value of a state."""
    graph = subject.graph
    roles = ["output"] * len(graph.outputs)
    if subject.loss is not None:
        roles[subject.loss] = "loss"
    for output, position in graph.donations:
        roles[output] = f"new value of {names[graph.inputs[position]]}"
    for position, output in subject.gradients.items():
        roles[output] = f"gradient by {names[graph.inputs[position]]}"
    return roles
