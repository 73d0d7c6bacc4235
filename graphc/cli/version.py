"""`graphc version`: which versions of what are at work."""

from __future__ import annotations

import argparse
import platform
from importlib import metadata

from graphc import __version__
from graphc.cli.arguments import ArgumentParser

STANDS_ON = ("numba", "llvmlite", "numpy", "h5py", "pyyaml")


def configure(parser: ArgumentParser) -> None:
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    print(f"graphc {__version__}")
    print(f"python {platform.python_version()} ({platform.machine()}, {platform.system()})")
    for name in STANDS_ON:
        print(f"{name} {_version(name)}")
    return 0


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "is not installed"
