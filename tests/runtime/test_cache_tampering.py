"""A kernel cache that others have been at: results are those of a cold compile, and nothing but object code is believed."""

import ast
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import types
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest

from graphc import compiler
from graphc.codegen_cpu import machine
from graphc.compiler import compile_graph
from graphc.ir.parser import parse
from graphc.runtime.cache import KernelCache, default_folder, unsafe

NOBODY = 65534
NAME, CODE = "k_" + "0" * 40, bytes(range(256)) * 4
ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys, numpy as np
from graphc.frontend_keras.layers import Dense
from graphc.frontend_keras.models import Sequential
np.random.seed(0)
model = Sequential([Dense(3, activation="tanh", input_shape=(4,))])
sys.stdout.write(model.predict(np.linspace(-1, 1, 20).reshape(5, 4)).tobytes().hex())
"""


def predictions(cache, *, home=None, **environment):
    """What a small model predicts in a process with this cache folder, and what it warns of."""
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    if cache is not None:
        given["GRAPHC_CACHE_DIR"] = str(cache)
    if home is not None:
        given["HOME"] = str(home)
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=given, capture_output=True, text=True, check=True, cwd="/")
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def cold(tmp_path_factory):
    """A filled cache, and what was predicted when it was empty."""
    folder = tmp_path_factory.mktemp("cold") / "cache"
    return folder, predictions(folder)[0]


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_is_never_loaded(cold, tmp_path):
    folder, wanted = cold
    for suffix in (".o", ".py", ".nbi", ".nbc"):
        for path in list(folder.glob("*.o")):
            path.with_suffix(suffix).write_bytes(pickle.dumps(Bomb(str(tmp_path / "canary"))))
    assert predictions(folder)[0] == wanted
    assert not (tmp_path / "canary").exists()
    assert not KernelCache(folder).verify()  # they were written again


def test_a_source_is_never_run(cold, tmp_path):
    folder, wanted = cold
    for path in folder.glob("*.py"):
        path.write_text(f"import os\nos.mkdir({str(tmp_path / 'canary')!r})\n")
    assert predictions(folder)[0] == wanted
    assert not (tmp_path / "canary").exists()


def test_truncated_at_each_64_bytes_and_with_other_headers(tmp_path):
    cache = KernelCache(tmp_path / "cache")
    cache.put(NAME, "# source", CODE)
    path = cache.folder / f"{NAME}.o"
    whole = path.read_bytes()
    for cut in range(0, len(whole), 64):
        path.write_bytes(whole[:cut])
        assert KernelCache(cache.folder).get(NAME) is None, cut
    for changed in (whole + b"\0", whole[:16] + b"\xff" * 8 + whole[24:], b"graphc-kernel-1\n" + whole[16:], whole * 2):
        path.write_bytes(changed)
        assert KernelCache(cache.folder).get(NAME) is None


def test_a_hard_link_that_others_may_write_is_a_miss(tmp_path):
    cache = KernelCache(tmp_path / "cache")
    cache.put(NAME, "# source", CODE)
    path = cache.folder / f"{NAME}.o"
    os.link(path, tmp_path / "elsewhere")
    assert cache.get(NAME) == CODE
    (tmp_path / "elsewhere").chmod(0o666)
    assert KernelCache(cache.folder).get(NAME) is None


@pytest.mark.parametrize("what", ["folder", "entry", "parent"])
def test_another_owner(tmp_path, monkeypatch, what):
    """Seen from another user: the folder, the entry or a parent belongs to somebody else."""
    parent = tmp_path / "parent"
    parent.mkdir(mode=0o755)
    cache = KernelCache(parent / "cache")
    cache.put(NAME, "# source", CODE)
    me, real, real_lstat, real_fstat = os.geteuid(), os.stat, os.lstat, os.fstat

    def owned(status):
        values = list(status)
        values[4] = me + 1
        return os.stat_result(values)

    if what == "folder":
        monkeypatch.setattr(os, "lstat", lambda path: owned(real_lstat(path)) if Path(path) == cache.folder else real_lstat(path))
        assert "another user" in unsafe(cache.folder)
    elif what == "parent":
        monkeypatch.setattr(os, "stat", lambda path, **more: owned(real(path, **more)) if path == parent else real(path, **more))
        assert "another user" in unsafe(cache.folder)
    else:
        monkeypatch.setattr(os, "fstat", lambda handle: owned(real_fstat(handle)))
        assert KernelCache(cache.folder).get(NAME) is None


def test_a_link_in_place_of_the_folder_is_not_used(tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "cache").symlink_to(tmp_path / "real")
    with pytest.warns(UserWarning, match="kept in memory only"):
        KernelCache(tmp_path / "cache").put(NAME, "# source", CODE)
    assert not list((tmp_path / "real").iterdir())


def test_homes_that_cannot_be_used(tmp_path, monkeypatch):
    """A home that is a file, that nobody can write to, below a folder that others may write: in memory."""
    (tmp_path / "file").write_text("")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.delenv("GRAPHC_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for home in (tmp_path / "file", tmp_path / "open", "/proc"):
        monkeypatch.setenv("HOME", str(home))
        with pytest.warns(UserWarning, match="kept in memory only"):
            cache = KernelCache(default_folder())
        cache.put(NAME, "# source", CODE)
        assert cache.get(NAME) == CODE


def test_without_a_safe_folder_results_are_the_same(cold, tmp_path):
    _, wanted = cold
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(0o777)
    found, warned = predictions(None, home=tmp_path / "home")
    assert found == wanted
    assert "kept in memory only" in warned


def _cold_start(folder):
    def once(_):
        cache = KernelCache(folder)
        cache.put(NAME, "# source", CODE)
        return cache.get(NAME) == CODE

    with ThreadPoolExecutor(8) as pool:
        os._exit(0 if all(pool.map(once, range(50))) else 1)


def test_processes_and_threads_that_start_cold(tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_cold_start, args=(tmp_path / "cache",)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.name.startswith(".new-")] == []


@pytest.mark.parametrize("command", ["-m", "script"])
def test_modules_beside_a_model_are_not_imported(tmp_path, command):
    """What lies in the current folder is data, whatever it is called."""
    for name in ("numba", "numpy", "h5py", "yaml", "json", "sitecustomize", "usercustomize", "llvmlite"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w').close()\n")
    (tmp_path / "m.graph").write_text("graph g(%x: f32[2]) {\n  %y = exp(%x) : f32[2]\n  return %y\n}\n")
    start = ["-m", "graphc"] if command == "-m" else ["-c", "import sys; del sys.path[0]; from graphc.cli import main; sys.exit(main())"]
    done = subprocess.run([sys.executable, *start, "dump-ir", "m.graph", "--stage", "source"], cwd=tmp_path, text=True, capture_output=True,
                          env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "GRAPHC_CACHE_DIR": str(tmp_path / "cache")}, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "def kernel(" in done.stdout
    assert not (tmp_path / "canary").exists()


# ---- entries that belong to somebody else, or to another kernel


def _as_nobody(what):
    """What `what()` gives in a child that is another user: a pair (result, what it was warned of)."""
    out, back = os.pipe()
    with warnings.catch_warnings(record=True):  # Python warns of forks beside threads, of which the child uses none
        child = os.fork()
    if not child:
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                result = what()
            os.write(back, repr((result, [str(one.message) for one in caught])).encode())
        finally:
            os._exit(0)
    os.close(back)
    with open(out, "rb") as answer:
        said = answer.read().decode()
    os.waitpid(child, 0)
    return ast.literal_eval(said)


@pytest.fixture
def shared():
    """A folder that every user may write to, as /tmp is."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
class TestTwoUsers:
    def test_a_folder_of_another_user_is_not_used(self, shared):
        KernelCache(shared / "cache").put(NAME, "# source", CODE)
        (shared / "cache").chmod(0o755)
        (shared / "cache" / f"{NAME}.o").chmod(0o644)
        found, warned = _as_nobody(lambda: KernelCache(shared / "cache").get(NAME))
        assert found is None
        assert "belongs to another user; kernels are kept in memory only" in warned[0]

    def test_an_entry_of_another_user_is_a_miss_and_is_replaced(self, shared):
        def use():
            cache = KernelCache(shared / "cache")
            first = cache.get(NAME)
            cache.put(NAME, "# source", CODE)
            return first, KernelCache(shared / "cache").get(NAME) == CODE

        assert _as_nobody(use) == ((None, True), [])
        os.chown(shared / "cache" / f"{NAME}.o", 0, 0)  # as if it had been put there, with all the right bytes
        (shared / "cache" / f"{NAME}.o").chmod(0o644)
        assert _as_nobody(use) == ((None, True), [])

    def test_a_folder_below_that_of_another_user_is_not_used(self, shared):
        _as_nobody(lambda: os.mkdir(shared / "theirs"))
        with pytest.warns(UserWarning, match="which belongs to another user; kernels are kept in memory only"):
            cache = KernelCache(shared / "theirs" / "cache")
        cache.put(NAME, "# source", CODE)
        assert cache.get(NAME) == CODE
        assert not list((shared / "theirs" / "cache").iterdir())


def _scaled(factor):
    return compile_graph(parse("graph g(%x: f32[8]) {\n"
                               f"%c = full(){{value={factor}, shape=(8,), dtype=f32}}\n%y = multiply(%x, %c)\nreturn %y\n}}"))


def test_kernels_with_the_same_bytecode_and_other_constants_are_two(monkeypatch, tmp_path):
    cache = KernelCache(tmp_path / "cache")
    monkeypatch.setattr(compiler, "kernel_cache", lambda: cache)
    x = np.arange(8, dtype="f4")
    for factor in (2.125, 3.125):
        np.testing.assert_array_equal(_scaled(factor)(x)[0], x * np.float32(factor))
    kernels = {path.stem: _function(path.read_text()) for path in (tmp_path / "cache").glob("*.py")}
    alike = [name for name, code in kernels.items() if sum(code.co_code == other.co_code for other in kernels.values()) == 2]
    assert len(alike) == 2
    assert KernelCache(tmp_path / "cache").get(alike[0]) != KernelCache(tmp_path / "cache").get(alike[1])


def _function(source):
    return next(one for one in compile(source, "k", "exec").co_consts if isinstance(one, types.CodeType))


def test_entries_for_another_processor_do_not_count(cold):
    """A narrower vector length stands for other features; the bits are the same."""
    folder, wanted = cold
    before = {path: path.read_bytes() for path in folder.glob("*.o")}
    assert predictions(folder, GRAPHC_VECTOR_BYTES="16")[0] == wanted
    made = {path for path in folder.glob("*.o")} - before.keys()
    assert len(made) >= 2
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("other", ["features", "name"])
def test_features_and_model_of_the_processor_are_part_of_an_entrys_name(monkeypatch, other):
    def name():
        compiler._environment.cache_clear()
        machine.host.cache_clear()
        return compiler.symbol_of("source")

    monkeypatch.delenv("GRAPHC_VECTOR_BYTES", raising=False)
    try:
        here = name()
        assert name() == here
        if other == "name":
            monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: "z80")
        else:
            features = llvm.get_host_cpu_features()
            features["movbe"] = not features.get("movbe")  # nothing that our own choices look at
            monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: features)
        assert name() != here
    finally:
        monkeypatch.undo()
        name()
