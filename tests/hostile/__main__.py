"""python -m tests.hostile --kind json|yaml|hdf5|keras|names|cache --cases N --seed S: the figures of many cases.

A case that ends its process, or hangs, while libhdf5 parses a file in it, is loaded once more as the command line does it:
by a process apart. What counts is that this is refused. Status 1 where there are findings.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.hostile import codegen, entries, seeds, workers
from tests.hostile.cases import LOADS, REFUSED

FILES = ("json", "yaml", "hdf5", "keras")
OTHERS = {"names": codegen, "cache": entries}


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.hostile")
    parser.add_argument("--kind", choices=(*FILES, *OTHERS), required=True)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--apart", action="store_true", help="parse all HDF5 files in a process of their own")
    parser.add_argument("--minutes", type=float, help="begin no further case after that")
    parser.add_argument("--keep", help="a folder for the files of findings")
    options = parser.parse_args()
    folder = Path(options.keep or tempfile.mkdtemp(prefix="hostile-"))
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    if options.kind in OTHERS:
        count, findings = OTHERS[options.kind].run(options.cases, options.seed, folder)
        print(f"{options.kind} seed {options.seed}: {count} cases, {len(findings)} findings, {time.monotonic() - begun:.0f} s")
        for finding in findings:
            print(f"  {finding}")
        return 1 if findings else 0
    return files(options, folder, begun)


def files(options, folder, begun):
    seeds.trees()
    numbers = range(options.first, options.first + options.cases)
    until = time.time() + 60 * options.minutes if options.minutes else None
    figures = workers.run(options.kind, options.seed, numbers, folder, options.apart, until)
    findings = [f"case {number}: {verdict} ({path})" for number, verdict, path in figures.findings]
    ended = Counter()
    for number, how in figures.ended:
        if options.kind in ("json", "yaml") or options.apart:
            findings.append(f"case {number}: {how}")
            continue
        again = workers.run(options.kind, options.seed, [number], folder, apart=True)
        verdict = LOADS if again.loads else REFUSED if again.refused else f"finding {again.findings} {again.ended}"
        ended[f"{how.split(':')[0]}, apart {verdict}"] += 1
        if verdict not in (LOADS, REFUSED):
            findings.append(f"case {number}: {how}, apart: {verdict}")
    seconds = time.monotonic() - begun
    print(f"{options.kind} seed {options.seed} from {options.first}: {figures.cases} cases, {figures.loads} load, "
          f"{figures.refused} refused, {len(findings)} findings; {sum(ended.values())} ended libhdf5 in process "
          f"{dict(ended) or ''}; slowest {figures.slowest:.2f} s, {figures.rss >> 20} MiB, {seconds:.0f} s", flush=True)
    for text, count in Counter(f.split(": ")[1] for f in findings).most_common():
        print(f"  {count} x {text}")
    for finding in findings[:40]:
        print(f"  {finding}")
    return 1 if findings else 0


if __name__ == "__main__":
    os.environ.setdefault("GRAPHC_CACHE_DIR", tempfile.mkdtemp(prefix="hostile-cache-"))
    sys.exit(main())
