"""What every worker does with its system: take turns, or make a first step.

What does not live here: the systems; the other end of the pipe (processes.py).
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks import measure

DEVICE = os.environ.get("BENCHMARK_DEVICE", "cpu")
PRECISION = os.environ.get("BENCHMARK_PRECISION", "float32")  # on a GPU: float32 or tf32
STEPS = 20 if DEVICE == "cuda" else 1  # of one call: a GPU is waited for once for all of them
THREADS = int(os.environ.get("BENCHMARK_THREADS", "2"))


class Prepared(NamedTuple):
    """A built model.

    step        one training step on one batch, finished when it returns; its result is the loss
    calls       figure -> (what to time, how many steps or batches one call has); warmed up by `serve`
    parameters  how many numbers the model learns
    """

    step: Callable[[], Any] | None
    calls: dict[str, tuple[Callable[[], Any], int]]
    parameters: int
    notes: Callable[[], dict[str, Any]] = dict


def repeated(call: Callable[[], Any], finished: Callable[[Any], Any]) -> tuple[Callable[[], Any], int]:
    """STEPS calls one after the other, the last waited for by `finished`; and how many they are."""
    def run() -> Any:
        for _ in range(STEPS):
            last = call()
        return finished(last)

    return run, STEPS


class LeftOut(Exception):  # noqa: N818 (nothing has gone wrong)
    """There is no such model for this system; says why."""


def serve(prepare: Callable[[str], Prepared], version: str) -> None:
    """Do what the last words of the command line say; see the package."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a system prints must not get between the answers
    if sys.argv[-1] == "turns":
        _take_turns(prepare, version, pipe)
    else:
        _say(pipe, _first_step(prepare, sys.argv[-1]))


def _take_turns(prepare: Callable[[str], Prepared], version: str, pipe: Any) -> None:
    _say(pipe, {"version": version})
    name, ready = "", None
    for line in sys.stdin:
        wanted, seconds = line.split()
        try:
            if wanted != name:
                name, ready = "", None
                ready, name = _warmed(prepare(wanted)), wanted
            assert ready is not None
            answer: dict[str, Any] = {key: measure.fastest(call, float(seconds) / len(ready.calls)) / count
                                      for key, (call, count) in ready.calls.items()}
            answer["parameters"] = ready.parameters
        except Exception as error:
            answer = _failed(error)
        _say(pipe, answer)


def _warmed(ready: Prepared) -> Prepared:
    """Every call made twice: systems compile at the first, some again at the second."""
    for call, _ in ready.calls.values():
        call()
        call()
    return ready


def _first_step(prepare: Callable[[str], Prepared], name: str) -> dict[str, Any]:
    """Times are read from the clock that all processes share."""
    imported, before = time.monotonic(), measure.resident_mib()
    measure.forget_high_water()
    try:
        ready = prepare(name)
        assert ready.step is not None
        built = time.monotonic()
        loss = float(ready.step())
        done = time.monotonic()
        for _ in range(4):
            ready.step()
    except Exception as error:
        return _failed(error)
    after = measure.high_water_mib()
    memory = after - before if after is not None and before is not None else None
    return {"imported": imported, "built": built, "done": done, "loss": loss, "memory_mib": memory, **ready.notes()}


def _failed(error: Exception) -> dict[str, Any]:
    kind = "left out" if isinstance(error, LeftOut) else type(error).__name__
    return {"error": f"{kind}: {error}"[:300]}


def _say(pipe: Any, answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=pipe, flush=True)
