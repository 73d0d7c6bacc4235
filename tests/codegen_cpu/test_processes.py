"""Kernels compiled by several processes: the same code as by one, whatever becomes of the helpers."""

import subprocess

import pytest

from graphc.codegen_cpu import jit, processes
from graphc.codegen_cpu.processes import Source, compile_sources
from graphc.errors import CompileError


def source(number, statement="o[i] = x[i] + x[i]"):
    text = f"SIGNATURE = 'f32* f32* i64'\ndef kernel(x, o, n, thread, threads):\n    for i in range({number}, n):\n" \
           f"        {statement}\n"
    return Source(text, f"kernel_{number}", f"kernel_{number}.py", f"in layer dense_{number}")


SOURCES = [source(i) for i in range(12)]


@pytest.fixture
def started(monkeypatch):
    """The helpers that were started."""
    helpers = []

    class Recorded(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            helpers.append(self)

    monkeypatch.setattr(processes.subprocess, "Popen", Recorded)
    return helpers


def compiled_here(sources):
    return {s: jit.compile_source(s.text, s.symbol, s.filename) for s in sources}


@pytest.mark.parametrize(("count", "helpers"), [(1, 0), (2, 1), (8, 2)])
def test_any_number_of_processes_gives_the_same_code(started, count, helpers):
    assert dict(compile_sources(SOURCES, count)) == compiled_here(SOURCES)
    assert len(started) == helpers
    assert all(helper.returncode is not None for helper in started)


def test_few_sources_need_no_helper(started):
    assert len(dict(compile_sources(SOURCES[:3], 8))) == 3
    assert not started


def test_an_error_names_the_layer_and_ends_the_helpers(started):
    with pytest.raises(CompileError) as caught:
        dict(compile_sources([*SOURCES, source(99, "o[i] = missing(x[i])")], 2))
    assert "missing" in str(caught.value)
    assert caught.value.__notes__ == ["in layer dense_99"]
    assert [helper.returncode is not None for helper in started] == [True]


def test_a_caller_that_stops_early_leaves_no_helper(started):
    results = compile_sources(SOURCES, 2)
    next(results)
    results.close()
    assert [helper.returncode is not None for helper in started] == [True]


@pytest.mark.parametrize("command", ["raise SystemExit(3)", "import os; os.write(1, b'x' * 5)",
                                     "import sys; sys.stdout.buffer.write(bytes(8)); sys.stdout.flush(); sys.stdin.buffer.read(9)"])
def test_a_helper_that_dies_costs_nothing_but_time(monkeypatch, command):
    monkeypatch.setattr(processes, "_COMMAND", command)
    assert dict(compile_sources(SOURCES, 2)) == compiled_here(SOURCES)


def test_without_an_interpreter_this_process_does_it_all(monkeypatch):
    monkeypatch.setattr(processes.sys, "executable", "/nonexistent/python")
    assert dict(compile_sources(SOURCES, 2)) == compiled_here(SOURCES)
