"""`python -m tests.faults`: the full versions of these tests, with their figures. Without options: all of them.

Each option runs one figure and takes how much of it to run; 0 means all there is.
"""

import argparse
import os
import sys
import time
from importlib import import_module

os.environ.setdefault("GRAPHC_NUM_THREADS", "1")  # children are forked, which threads would not survive; same bits

ALL = {"kills": 1000, "refusals": 0, "states": 2000, "allocations": 60, "interruptions": 200}


def kills(count, seed):
    yield "F1 kills", import_module("tests.faults.kills").run(count, seed)


def refusals(sample, seed):
    part = import_module("tests.faults.refusals")
    yield "F2 saves", part.folders(sample or 200, seed)
    yield "F2 trainings", part.trainings(sample or None, seed)
    yield "F2 kernel cache", part.caches()
    yield "F2 files that are replaced", part.replacements()
    yield "F2 limit of file size", part.size_limits()
    yield "F2 full tmpfs", part.full_disk()


def states(count, seed):
    yield "F3 orders of a crash", import_module("tests.faults.crash_order").run(count or 1 << 30, seed)


def allocations(sample, seed):
    yield "F4 allocations", import_module("tests.faults.allocations").run(sample or None, seed)


def interruptions(points, seed):
    part = import_module("tests.faults.interruptions")
    yield "F5 interruptions", part.run(points, seed)
    yield "F5 SIGTERM", part.terminate(max(5, points // 2), seed)


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    for name in ALL:
        parser.add_argument(f"--{name}", type=int)
    given = vars(parser.parse_args())
    wanted = {name: given[name] for name in ALL if given[name] is not None} or ALL
    wrong = 0
    for name, amount in wanted.items():
        began = time.monotonic()
        for title, figures in globals()[name](amount, given["seed"]):
            seconds = time.monotonic() - began
            print(f"{title}: {figures or 'not possible here'} ({seconds:.0f} s)", flush=True)
            found = [] if figures is None else getattr(figures, "different", None) or getattr(figures, "wrong", [])
            print(*(f"  {one}" for one in found), sep="\n", end="\n" if found else "", flush=True)
            wrong += len(found)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
