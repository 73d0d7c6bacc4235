"""The kernel cache: entries survive, damaged ones do not count, unsafe folders are not used."""

import multiprocessing
import os
import stat
import subprocess
import sys

import pytest

from graphc.errors import ArgumentError
from graphc.runtime import files
from graphc.runtime.cache import KernelCache, limit_from_environment, unsafe

NAME, CODE = "k_" + "0" * 40, b"object code" * 100


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def test_an_entry_is_found_by_another_cache(folder):
    KernelCache(folder).put(NAME, "# source", CODE)
    other = KernelCache(folder)
    assert other.get(NAME) == CODE
    assert other.source_path(NAME).read_text() == "# source"
    assert other.info().entries == 1
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_missing_entry_is_none(folder):
    assert KernelCache(folder).get(NAME) is None


def test_clear_removes_entries_and_nothing_else(folder):
    cache = KernelCache(folder)
    cache.put(NAME, "# source", CODE)
    (folder / "notes.txt").write_text("mine")
    assert cache.clear() == 1
    assert [f.name for f in folder.iterdir()] == ["notes.txt"]
    assert cache.get(NAME) is None


@pytest.mark.parametrize("cut", [0, 1, 16, 40, 56, 57, 500])
def test_a_truncated_entry_is_a_miss_and_is_written_again(folder, cut):
    cache = KernelCache(folder)
    cache.put(NAME, "# source", CODE)
    path = folder / f"{NAME}.o"
    path.write_bytes(path.read_bytes()[:cut])
    fresh = KernelCache(folder)
    assert fresh.get(NAME) is None
    assert fresh.verify() == [NAME]
    fresh.put(NAME, "# source", CODE)
    assert KernelCache(folder).get(NAME) == CODE


def test_a_changed_byte_anywhere_is_a_miss(folder):
    cache = KernelCache(folder)
    cache.put(NAME, "# source", CODE)
    path = folder / f"{NAME}.o"
    whole = path.read_bytes()
    for position in range(0, len(whole), 37):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1:])
        assert KernelCache(folder).get(NAME) is None, position


def test_a_link_in_place_of_an_entry_is_a_miss(folder, tmp_path):
    cache = KernelCache(folder)
    cache.put(NAME, "# source", CODE)
    real = tmp_path / "elsewhere.o"
    (folder / f"{NAME}.o").rename(real)
    (folder / f"{NAME}.o").symlink_to(real)
    assert KernelCache(folder).get(NAME) is None


def test_an_entry_that_others_may_write_is_a_miss(folder):
    cache = KernelCache(folder)
    cache.put(NAME, "# source", CODE)
    (folder / f"{NAME}.o").chmod(0o666)
    assert KernelCache(folder).get(NAME) is None


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write_is_not_used(folder, mode):
    folder.mkdir()
    folder.chmod(mode)
    with pytest.warns(UserWarning, match="kept in memory only"):
        cache = KernelCache(folder)
    cache.put(NAME, "# source", CODE)
    assert cache.get(NAME) == CODE
    assert not list(folder.iterdir())
    assert cache.info().path is None


def test_a_folder_below_one_that_others_may_write_is_unsafe(tmp_path):
    parent = tmp_path / "open"
    parent.mkdir()
    parent.chmod(0o777)
    folder = parent / "cache"
    folder.mkdir(mode=0o700)
    assert "can be written by others" in unsafe(folder)
    parent.chmod(0o1777)
    assert unsafe(folder) is None


def test_a_file_in_place_of_the_folder_is_reported(folder):
    folder.write_text("")
    with pytest.warns(UserWarning, match="kept in memory only"):
        KernelCache(folder)


def test_a_full_disk_turns_the_cache_into_memory(folder, monkeypatch):
    cache = KernelCache(folder)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.OPS, "replace", full)
    with pytest.warns(UserWarning, match="No space left"):
        cache.put(NAME, "# source", CODE)
    assert cache.get(NAME) == CODE
    assert not [f for f in folder.iterdir() if f.name.startswith(".new-")]


def _write_often(folder, count):
    cache = KernelCache(folder)
    for _ in range(count):
        cache.put(NAME, "# source", CODE)
        if cache.get(NAME) != CODE:
            os._exit(1)


def test_processes_may_write_the_same_entry(folder):
    KernelCache(folder)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write_often, args=(folder, 20)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [p.exitcode for p in processes] == [0, 0, 0]
    assert KernelCache(folder).get(NAME) == CODE


def test_swapped_entries_are_misses(folder):
    cache = KernelCache(folder)
    names = [f"k_{digit * 40}" for digit in "12"]
    for name in names:
        cache.put(name, "# source", CODE + name.encode())
    first, second = (folder / f"{name}.o" for name in names)
    first.rename(folder / "kept")
    second.rename(first)
    (folder / "kept").rename(second)
    assert [KernelCache(folder).get(name) for name in names] == [None, None]


def test_a_pipe_in_place_of_an_entry_is_a_miss(folder):
    cache = KernelCache(folder)
    os.mkfifo(folder / f"{NAME}.o")
    assert cache.get(NAME) is None


def test_a_new_folder_is_private_whatever_the_umask(tmp_path):
    code = f"import os; os.umask(0); from pathlib import Path; from graphc.runtime.cache import KernelCache; " \
           f"assert KernelCache(Path({str(tmp_path)!r}) / 'a' / 'b').info().path"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
    assert [stat.S_IMODE((tmp_path / part).stat().st_mode) for part in ("a", "a/b")] == [0o700, 0o700]


def test_entries_not_used_for_longest_make_room(folder):
    cache = KernelCache(folder, limit=20_000)
    names = [f"k_{number:040x}" for number in range(40)]
    for age, name in enumerate(names[:10]):
        cache.put(name, "# source", CODE)
        os.utime(folder / f"{name}.o", times=(0, 86400.0 * age))
    assert cache.get(names[0]) == CODE  # used today
    for name in names[10:]:
        cache.put(name, "# source", CODE)
        assert cache.get(name) == CODE
    info = cache.info()
    assert info.bytes <= 1.3 * info.limit
    assert cache.get(names[1]) is None
    assert {f.stem for f in folder.iterdir() if f.suffix == ".py"} == {f.stem for f in folder.iterdir()}


def test_the_limit_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("GRAPHC_CACHE_LIMIT", "3")
    assert limit_from_environment() == 3 << 20
    monkeypatch.delenv("GRAPHC_CACHE_LIMIT")
    assert limit_from_environment() == 1 << 30
    for bad in ("0", "-1", "many", "1.5"):
        monkeypatch.setenv("GRAPHC_CACHE_LIMIT", bad)
        with pytest.raises(ArgumentError, match="GRAPHC_CACHE_LIMIT"):
            limit_from_environment()
