"""`python -m tests.faults`: the full versions of these tests, with figures. Without options: all of them."""

import argparse
import os
import sys

os.environ.setdefault("GRAPHC_NUM_THREADS", "1")  # children are forked; the bits are the same


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, help="F1: so many kills")
    given = parser.parse_args()
    from tests.faults import kills

    failed = False
    if given.kills:
        figures = kills.run(given.kills, given.seed)
        print(f"F1: {figures}", *figures.different, sep="\n  ", flush=True)
        failed |= bool(figures.different)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
