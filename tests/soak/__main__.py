"""`python -m tests.soak AREA [--full] [--seed S]`: the long versions of the tests in this folder, with their figures."""

import argparse
import sys
from importlib import import_module

AREAS = ("determinism", "dtypes", "numbers", "sizes", "threads", "fork", "leaks")


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("area", choices=AREAS)
    parser.add_argument("--full", action="store_true", help="as many as before a release; takes long")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    return 0 if import_module(f"tests.soak.{options.area}").main(options) else 1


if __name__ == "__main__":
    sys.exit(main())
