"""The thread pool: any number of threads, callers, processes and exits."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.errors import ArgumentError
from graphc.ir.parser import parse
from graphc.runtime import assembly, threads

WIDE = "graph g(%x: f32[N,64]) {\n%y = tanh(%x)\n%s = reduce_sum(%y){axes=(1,)}\nreturn %y, %s\n}"
PRELUDE = f"""
import atexit, os, sys, threading
import numpy as np
from graphc.compiler import compile_graph
from graphc.ir.parser import parse
from graphc.runtime import assembly, threads
assembly.PARALLEL_WORK = 0
f = compile_graph(parse({WIDE!r}))
x = np.random.default_rng(0).random((300, 64), "f4")
"""


@pytest.fixture
def shared(monkeypatch):
    """Every kernel is shared between threads, however small; the number of threads is put back."""
    monkeypatch.setattr(assembly, "PARALLEL_WORK", 0)
    before = threads.count()
    yield compile_graph(parse(WIDE)), np.random.default_rng(0).random((300, 64), "f4")
    threads.set_num_threads(before)


def run(code, **environment):
    done = subprocess.run([sys.executable, "-c", PRELUDE + code], capture_output=True, text=True, timeout=100,
                          env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_any_number_of_threads_gives_the_same_bits(shared):
    f, x = shared
    results = []
    for count in (1, 2, 3, 7, 40):
        threads.set_num_threads(count)
        for _ in range(5):
            results.append([out.tobytes() for out in f(x)])
    assert all(result == results[0] for result in results)


def test_many_callers_at_once(shared):
    f, x = shared
    threads.set_num_threads(3)
    want = [out.tobytes() for out in f(x)]
    wrong = []

    def call(g):
        for _ in range(50):
            if [out.tobytes() for out in g(x)] != want:
                wrong.append(g)

    callers = [threading.Thread(target=call, args=(compile_graph(parse(WIDE)),)) for _ in range(4)]
    callers += [threading.Thread(target=call, args=(f,)) for _ in range(4)]
    for caller in callers:
        caller.start()
    for count in (1, 4, 2):
        threads.set_num_threads(count)
    for caller in callers:
        caller.join()
    assert not wrong


@pytest.mark.parametrize("bad", [0, -1, 1.5, "2", None, True, 1 << 20])
def test_a_number_of_threads_is_checked(bad):
    with pytest.raises(ArgumentError, match="an integer from 1 to 1024"):
        threads.set_num_threads(bad)


@pytest.mark.parametrize(("given", "count"), [("1", 1), ("2", min(2, len(os.sched_getaffinity(0)))), ("", None)])
def test_the_environment_says_how_many(given, count):
    printed = int(run("print(threads.count())", GRAPHC_NUM_THREADS=given))
    assert printed == (count or len(os.sched_getaffinity(0)))


def test_a_wrong_number_in_the_environment_is_an_error():
    run("pass")  # which compiles what the next process loads
    run("""
from graphc.errors import ArgumentError
try:
    f(x)
except ArgumentError as error:
    assert "GRAPHC_NUM_THREADS" in str(error)
else:
    sys.exit("no error")
""", GRAPHC_NUM_THREADS="-3")


def test_a_forked_child_computes_and_makes_workers_of_its_own():
    run("""
threads.set_num_threads(3)
want = f(x)[1].tobytes()
child = os.fork()
if not child:
    same = all(f(x)[1].tobytes() == want for _ in range(20))
    os._exit(0 if same and len([t for t in threading.enumerate() if t.name.startswith("graphc")]) == 2 else 1)
assert os.waitpid(child, 0)[1] == 0
assert f(x)[1].tobytes() == want
""")


def test_programs_run_in_late_exit_handlers():
    run("""
threads.set_num_threads(3)
want = f(x)[1].tobytes()
import graphc.runtime.threads
def late():
    assert f(x)[1].tobytes() == want
    print("late")
atexit.unregister(graphc.runtime.threads._at_exit)
atexit.register(late)
atexit.register(graphc.runtime.threads._at_exit)  # runs first
""")


def test_the_process_ends_while_another_thread_computes():
    run("""
threads.set_num_threads(2)
def forever():
    while True:
        f(x)
threading.Thread(target=forever, daemon=True).start()
f(x)
""")
