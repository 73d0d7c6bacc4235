"""A copy of the tree in which one module is another, and tests that are run against it in a fork.

Tests that start processes start them in the copy. The parent has imported what is slow and not ours.

What does not live here: the faults (mutants.py), which tests belong to which module (__main__.py).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]
SLOW = ("numpy", "numba", "llvmlite.binding", "h5py", "yaml", "pytest")


@contextmanager
def copied():
    """The path of a copy of graphc and its tests."""
    for name in SLOW:
        import_module(name)
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        for name in ("graphc", "tests", "examples"):
            shutil.copytree(ROOT / name, Path(folder) / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "setup.cfg", folder)
        yield Path(folder)


def run(folder: Path, tests: Sequence[str], limit: float, report: Path | None = None) -> tuple[str, float]:
    """What the tests said of the copy: `passed`, `failed` or `hangs`; and the seconds that it took."""
    begun = time.monotonic()
    child = os.fork()
    if not child:
        try:
            os.setsid()
            os._exit(_test(folder, tests, report))
        except BaseException:
            traceback.print_exc()
        os._exit(9)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        seconds = time.monotonic() - begun
        if done:
            return "passed" if status == 0 else "failed", seconds
        if seconds > limit:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "hangs", seconds
        time.sleep(0.02)


def _test(folder: Path, tests: Sequence[str], report: Path | None) -> int:
    """In the child: run the tests as a process would that begins in the copy."""
    out = os.open(report or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(folder)
    sys.path[:] = [str(folder), *(entry for entry in sys.path if entry not in ("", str(ROOT)))]
    os.environ["PYTHONPATH"] = str(folder)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    for name in [name for name in sys.modules if name.split(".")[0] in ("graphc", "tests")]:
        del sys.modules[name]
    import pytest

    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--basetemp={folder / 'tmp'}", *tests]))
