"""A sample of each kind of hostile input, every run the same; `python -m tests.hostile` runs as many as one likes."""

import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from graphc.codegen.check_source import checked
from graphc.errors import CompileError
from tests.hostile import codegen, entries
from tests.hostile.watching import PATTERN, Canaries, Watch

ROOT = Path(__file__).parents[2]
HEAD = 'import numpy as np\nSIGNATURE = "f32* i64"\n'
BODY = "def kernel(x, n, thread, threads):\n    for i in range(n):\n        "


@pytest.mark.parametrize("options", [
    ["json", "--cases", "150"], ["yaml", "--cases", "60"], ["hdf5", "--cases", "60"], ["keras", "--cases", "60"],
    ["hdf5", "--cases", "4", "--apart"]], ids=" ".join)
def test_mutated_files_load_or_are_refused(options):
    """In a process of its own: what a worker may hold counts from what it was forked with."""
    command = [sys.executable, "-m", "tests.hostile", "--seed", "suite", "--kind", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{options[2]} cases, " in done.stdout
    assert ", 0 findings" in done.stdout


def test_names_do_not_reach_sources(tmp_path):
    assert codegen.run(25, "suite", tmp_path) == (25, [])


def test_changed_entries_are_misses(tmp_path):
    assert entries.run(300, "suite", tmp_path) == (300, [])


@pytest.mark.parametrize("source", [
    HEAD + "import os\n" + BODY + "x[i] = 0.0", HEAD + "from os import system\n" + BODY + "x[i] = 0.0",
    HEAD + "import numpy as q\n" + BODY + "x[i] = 0.0", HEAD + "from graphc.cli import main\n" + BODY + "x[i] = 0.0",
    HEAD + BODY + "open(n)", HEAD + BODY + "__import__('os')", HEAD + BODY + "eval('1')", HEAD + BODY + "x[i] = np.load('a')",
    HEAD + BODY + "x[i] = x.__class__", HEAD + BODY + "x[i] = np.float32.__base__", HEAD + BODY + "x[i] = (lambda: 1)()",
    HEAD + BODY + "x[i] = [c for c in range(2)]", HEAD + BODY + "exec('a')", HEAD + 'C = "a.b(c)"\n' + BODY + "x[i] = 0.0",
    HEAD + "@np\n" + BODY + "x[i] = 0.0", HEAD + BODY + "x[i] = f'{n}'", HEAD + BODY + "with n: pass", HEAD + BODY + "del x",
    HEAD + BODY + "x[i] = range(n)(1)(2)", HEAD + "class A: pass\n" + BODY + "x[i] = 0.0", HEAD + BODY + "x[i] = 1j",
    HEAD + BODY + "x[i] = max(n, key=n)", HEAD + BODY.replace("threads)", "threads=n)") + "x[i] = 0.0",
    HEAD + BODY.replace("(x", "(x: n") + "x[i] = 0.0", HEAD + BODY + "global os", HEAD + BODY + "x[i] = (y := 1)"])
def test_a_source_that_no_emitter_writes_is_not_run(source):
    with pytest.raises(CompileError, match="holds what no emitter writes"):
        checked(source, "kernel k")


def test_a_source_that_they_write_is():
    assert checked(HEAD + BODY + "x[i] = np.float32(0.5) if x[i] > 0.0 else min(x[i], -x[i])", "kernel k")


def test_canaries_are_seen(tmp_path):
    """The oracle itself: what it must report, it reports."""
    watch = Watch()
    with Canaries(tmp_path) as canaries:
        assert not canaries.opened()
        canaries.bytes.read_bytes()
        assert canaries.opened()
        assert canaries.shows_in([np.zeros(3), np.frombuffer(b"x" + PATTERN, "u1")])
        for harm in (lambda: exec("1"), lambda: compile("1", "x", "eval"), lambda: open(canaries.bytes).close(), lambda: __import__("this_is_none"),
                     lambda: __import__("os").system("true"), lambda: __import__("marshal").loads(b"N")):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with watch.case("m.json"), suppress(ImportError):
                    harm()
            assert watch.seen
        with watch.case(str(canaries.h5)), open(canaries.h5, "rb"):
            pass
        assert not watch.seen
