"""The loop of every worker; see the package."""

import json
import sys
from collections.abc import Callable, Mapping

Measure = Callable[[float], Mapping[str, float]]


def serve(prepare: Callable[[str], Measure], version: str) -> None:
    """Answer requests until the input ends. prepare(model) builds once; its result runs one round."""
    print(json.dumps({"version": version}), flush=True)
    ready: dict[str, Measure] = {}
    for line in sys.stdin:
        model, seconds = line.split()
        try:
            if model not in ready:
                ready[model] = prepare(model)
            answer: Mapping[str, object] = ready[model](float(seconds))
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), flush=True)
