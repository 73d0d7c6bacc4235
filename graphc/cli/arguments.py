"""Argument parsing whose errors are one line, and the values that several commands take.

What does not live here: the commands' own options.
"""

from __future__ import annotations

import argparse
import math
from typing import Any, NoReturn

from graphc.passes.choices import CONVOLUTIONS, PRECISIONS, TARGETS, Choices


class UsageError(Exception):
    """A command line that cannot be understood."""


class ArgumentParser(argparse.ArgumentParser):
    """Raises UsageError instead of printing and leaving."""

    def __init__(self, **options: Any):
        super().__init__(**{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def batch_size(text: str) -> int | None:
    """`symbolic` is None; else a number of rows of at least 1."""
    if text == "symbolic":
        return None
    return positive(text)


def positive(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < len(text) < 10 or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 999999999")
    return int(text)


def seed(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed, a whole number from 0 on")
    return int(text)


def tolerance(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a tolerance, a number from 0 on")
    return number


def add_target(parser: argparse.ArgumentParser, default: str | None = "cpu") -> None:
    parser.add_argument("--target", choices=TARGETS, default=default, help="what to compile for (default: "
                        f"{default or 'what GRAPHC_TARGET or keras.json say, else cpu'})")


def add_trusted(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trusted", action="store_true",
                        help="parse an HDF5 file in this process; without it a process of its own does, so that a file "
                             "made to harm can do none")


def add_choices(parser: argparse.ArgumentParser) -> None:
    """The options that choose algorithms; `choices_of` reads them."""
    parser.add_argument("--precision", choices=PRECISIONS, default="default",
                        help="highest: only algorithms that round no more than plain sums (default: default)")
    parser.add_argument("--convolution", choices=CONVOLUTIONS, default="auto",
                        help="the algorithm of convolutions, where it can be used (default: auto)")


def choices_of(options: argparse.Namespace) -> Choices:
    return Choices(options.precision, options.convolution, device=options.target == "cuda")
