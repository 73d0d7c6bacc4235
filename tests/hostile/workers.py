"""Many cases in forked processes, each of which takes many: limits of memory and time, who died at which case.

What does not live here: a case (cases.py), making findings small (shrinking.py).
"""

import json
import mmap
import os
import resource
import signal
import struct
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.hostile.cases import LOADS, REFUSED, Bench
from tests.hostile.shrinking import shrunk

SECONDS, WALL = 5.0, 120.0       # of processor time a case may take, and of time where it waits
RSS = 512 << 20                  # bytes that a worker may hold
SPACE = 3 << 30                  # address space of a worker beyond what it has at first
ROUND = 4000                     # cases of one process
_STATE = struct.Struct("<qqqqq")  # the case under way, loads, refused, findings, slowest in microseconds


@dataclass
class Figures:
    """What many cases came to. ended: (case, how the process ended) of those that brought a worker down."""

    cases: int = 0
    loads: int = 0
    refused: int = 0
    rss: int = 0
    slowest: float = 0.0
    findings: list = field(default_factory=list)
    ended: list = field(default_factory=list)

    def add(self, other):
        for name in ("cases", "loads", "refused"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.rss, self.slowest = max(self.rss, other.rss), max(self.slowest, other.slowest)
        self.findings += other.findings
        self.ended += other.ended


def run(kind, seed, numbers, folder, apart=False, until=None):
    """The cases `numbers` one after the other, in processes that each take many.

    until  a time after which no further case is begun
    """
    figures = Figures()
    rest = list(numbers)
    while rest and (until is None or time.time() < until):
        done, part = _round(kind, seed, rest[:ROUND], Path(folder), apart, until)
        figures.add(part)
        rest = rest[done:]
    return figures


def _round(kind, seed, numbers, folder, apart, until):
    """Fork a worker for these cases; how many it has done, and its figures."""
    state, notes = mmap.mmap(-1, _STATE.size), folder / f"findings-{os.getpid()}.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    notes.write_text("")
    state[:] = _STATE.pack(-1, 0, 0, 0, 0)
    child = os.fork()
    if not child:
        try:
            _work(Bench(kind, seed, folder, apart), numbers, state, notes, until)
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(9)
    status, usage, killed = _wait(child, state)
    at, loads, refused, count, slowest = _STATE.unpack(state[:])
    found = [json.loads(line) for line in notes.read_text().splitlines()]
    figures = Figures(loads + refused + count, loads, refused, usage.ru_maxrss << 10, slowest / 1e6, found)
    if status == 0:
        return len(numbers), figures
    if at < 0 or os.WIFEXITED(status):
        raise RuntimeError(f"the worker ended with {os.waitstatus_to_exitcode(status)}")
    figures.cases += 1
    figures.ended.append((numbers[at], killed or f"signal {os.WTERMSIG(status)}"))
    return at + 1, figures


def _work(bench, numbers, state, notes, until):
    with suppress(ValueError):
        before = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (before + SPACE, resource.RLIM_INFINITY))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    counts, slowest, known = Counter(), 0, set()
    for at, number in enumerate(numbers):
        if until is not None and time.time() > until:
            break
        state[:] = _STATE.pack(at, counts[LOADS], counts[REFUSED], counts["findings"], slowest)
        data, base = bench.make(number)
        begun = time.process_time()
        verdict = bench.verdict(data)
        slowest = max(slowest, int(1e6 * (time.process_time() - begun)))
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10 > RSS and verdict in (LOADS, REFUSED):
            verdict = f"holds more than {RSS >> 20} MiB"
        counts[verdict if verdict in (LOADS, REFUSED) else "findings"] += 1
        if verdict not in (LOADS, REFUSED):
            small = data if _kind(verdict) in known else shrunk(bench, data, base, verdict)
            known.add(_kind(verdict))
            kept = notes.with_name(f"finding-{bench.kind}-{bench.seed}-{number}{bench.path.suffix}")
            kept.write_bytes(small)
            with notes.open("a") as file:
                file.write(json.dumps([number, verdict, str(kept)]) + "\n")
            if verdict.startswith("holds"):
                os.kill(os.getpid(), signal.SIGUSR2)  # so that the next case starts with little memory
    state[:] = _STATE.pack(len(numbers), counts[LOADS], counts[REFUSED], counts["findings"], slowest)


def _kind(verdict):
    """Exception and place, without what it says."""
    return verdict.partition(": ")[0]


def _wait(child, state):
    """Wait for a worker; end it where one case takes too long. (status, usage, why it was ended)."""
    at, since, used, killed = -2, 0.0, 0.0, None
    pause = 0.005
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return status, usage, killed
        now, cpu, current = time.monotonic(), _processor_time(child), _STATE.unpack(state[:])[0]
        if current != at:
            at, since, used = current, now, cpu
        elif current >= 0 and (cpu - used > SECONDS or now - since > WALL) and not killed:
            killed = f"hangs: {cpu - used:.1f} s of processor time, {now - since:.1f} s"
            os.kill(child, signal.SIGKILL)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


def _processor_time(pid):
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
