"""python -m tests.fuzz: differential tests of as many cases as asked for; prints figures and minimal failing cases.

    --kind graphs     random graphs compiled for the CPU, against the reference's error bounds; states, sizes, threads
           passes     each pass of the pipeline, against the reference in float64
           gradients  the gradients of the ops' rules, against differences in float64
           models     random Keras models: outputs, gradients, trained weights, against float64
           planted    bugs planted in the compiler: found after how many graphs, how small their cases become
           all        all of these but the planted ones

Ends with status 1 where there was a difference, or a planted bug was not found.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from functools import partial

from tests.fuzz.campaigns import KINDS, Tally, run
from tests.fuzz.hunting import MOST_GRAPHS, MOST_OPS, Hunt, Texts, hunt
from tests.fuzz.planted import BUGS
from tests.fuzz.shrink import SECONDS


def main(given: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=[*KINDS, "planted", "all"], default="all")
    parser.add_argument("--cases", type=int, default=100, help="how many are drawn of each kind")
    parser.add_argument("--seed", type=int, default=0, help="the number of the first")
    parser.add_argument("--time", type=float, default=float("inf"), help="seconds for each kind")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--bug", default="", help="only the planted bugs whose names hold this")
    options = parser.parse_args(given)
    if options.kind == "planted":
        return hunts(options)
    failed = False
    for kind in KINDS if options.kind == "all" else [options.kind]:
        tally = shared(kind, options)
        failed |= bool(tally.failures)
        print(tally.line(kind), flush=True)
    return int(failed)


def shared(kind: str, options: argparse.Namespace) -> Tally:
    """The seeds, shared between processes."""
    end = options.seed + options.cases
    shares = [range(options.seed + i, end, options.jobs) for i in range(options.jobs)]
    if options.jobs == 1:
        return run(kind, shares[0], options.time)
    total = Tally()
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        for tally in pool.imap_unordered(partial(run, kind, seconds=options.time), shares):
            total.add(tally)
    return total


def hunts(options: argparse.Namespace) -> int:
    texts = Texts()
    chosen = [bug for bug in BUGS if options.bug in bug.name]
    done = []
    for bug in chosen:
        done.append(hunt(bug, texts, options.seed, max(options.cases, MOST_GRAPHS) if not options.bug else options.cases))
        print(done[-1].line, flush=True)
        if options.bug:
            print(done[-1].text)
    print(summary(done))
    return int(any(one.shrunk is None for one in done))


def summary(done: list[Hunt]) -> str:
    found = [one for one in done if one.shrunk is not None]
    small = [one for one in found if one.shrunk.ops <= MOST_OPS and one.shrunk.seconds <= SECONDS]
    return (f"planted: {len(found)} of {len(done)} found, at most {max((one.graphs for one in found), default=0)} graphs; "
            f"minimised to {MOST_OPS} ops or fewer in {SECONDS:.0f} s of a core: {len(small)} of {len(done)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
