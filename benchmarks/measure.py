"""Timing loops, and how much memory a process holds. Nothing here imports more than the standard library."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SAMPLE = 20e-6  # seconds: shorter calls are timed several at a time, so that reading the clock does not count


def fastest(run: Callable[[], Any], seconds: float, at_least: int = 3) -> float:
    """The shortest of the runs that fit into `seconds` (at least `at_least` of them), in microseconds."""
    start = time.perf_counter()
    run()
    together = max(1, int(SAMPLE / max(time.perf_counter() - start, 1e-7)))
    best, end, count = float("inf"), time.perf_counter() + seconds, 0
    while count < at_least or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(together):
            run()
        best = min(best, time.perf_counter() - start)
        count += 1
    return best / together * 1e6


def resident_mib() -> float | None:
    """What this process holds in memory now; None where the system does not say."""
    return _status("VmRSS")


def forget_high_water() -> None:
    """Let high_water_mib start from what is held now."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        path.write_text("5")


def high_water_mib() -> float | None:
    """The most that this process has held since forget_high_water; None where the system does not say."""
    return _status("VmHWM")


def _status(name: str) -> float | None:
    return next((int(line.split()[1]) / 1024 for line in _status_lines() if line.startswith(f"{name}:")), None)


def _status_lines() -> Iterator[str]:
    path = Path("/proc/self/status")
    return iter(path.read_text().splitlines() if path.exists() else [])
