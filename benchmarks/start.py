"""From the start of a process to its first finished training step, and the memory of training.

Systems take turns. One that keeps compiled code between processes is started twice in a turn: cold, with
empty caches, then warm. What does not live here: what the process does (workers/protocol.py).
"""

import tempfile
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.processes import SYSTEMS, environment, first_step

Figures = dict[str, dict[str, Any]]


def first_steps(model: str, pythons: Mapping[str, str], threads: int, turns: int) -> Figures:
    """System -> "cold" and, where it keeps code, "warm" -> figures; seconds are the minimum over the turns.

    total    from the start of the process to the end of the first step
    compile  the first step and all that belongs to preparing it, without building the model
    """
    best: Figures = {name: {} for name in pythons}
    for _ in range(turns):
        for name, python in pythons.items():
            if "error" not in best[name]:
                _merge(best[name], _one_turn(name, python, model, threads))
    return best


def _one_turn(name: str, python: str, model: str, threads: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as caches:
        variables = environment(threads, caches)
        for kind in ("cold", "warm") if SYSTEMS[name].caches else ("cold",):
            start = time.monotonic()
            said = first_step(name, python, model, variables)
            if "error" in said:
                return {"error": said["error"]}
            figures[kind] = {"total": said["done"] - start, "import": said["imported"] - start,
                             "compile": said["done"] - said["built"], "memory_mib": said["memory_mib"]}
            figures[kind] |= {key: said[key] for key in ("planned_mib",) if key in said}
    return figures


def _merge(best: dict[str, Any], figures: dict[str, Any]) -> None:
    if "error" in figures:
        best["error"] = figures["error"]
        return
    for kind, values in figures.items():
        known = best.setdefault(kind, values)
        best[kind] = {key: value if value is None else min(value, known[key]) for key, value in values.items()}
