"""Timing loops: the minimum of many runs within a given time, in microseconds."""

import time
from collections.abc import Callable
from typing import Any


def fastest(run: Callable[[], Any], seconds: float, at_least: int = 5) -> float:
    """The shortest of the runs that fit into `seconds` (at least `at_least` of them), in microseconds."""
    best, end, count = float("inf"), time.perf_counter() + seconds, 0
    while count < at_least or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
        count += 1
    return best * 1e6
