"""The kernel cache: entries survive, damaged ones do not count, unsafe folders are not used."""

import hashlib
import multiprocessing
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graphc.errors import ArgumentError
from graphc.runtime import cache as cache_module
from graphc.runtime import files
from graphc.runtime.cache import CacheInfo, KernelCache, default_folder, kernel_cache, limit_from_environment, unsafe

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


def test_a_folder_in_place_of_an_entry_is_a_miss_and_nothing_stays_open(folder):
    cache = KernelCache(folder)
    (folder / f"{NAME}.o").mkdir()
    open_before = len(os.listdir("/proc/self/fd"))
    assert cache.get(NAME) is None
    assert (cache.info().entries, cache.verify(), cache.clear()) == (0, [], 0)
    os.mkfifo(folder / "k_00000001.o")
    assert cache.get("k_00000001") is None
    assert len(os.listdir("/proc/self/fd")) == open_before
    with pytest.warns(UserWarning, match="kept in memory only"):
        cache.put(NAME, "# source", CODE)
    assert cache.get(NAME) == CODE


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


# ---- what an entry is


def test_files_are_for_this_user_alone_and_say_what_they_are(folder):
    KernelCache(folder).put(NAME, "# source", CODE)
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {f"{NAME}.py": 0o600, f"{NAME}.o": 0o600}
    whole = (folder / f"{NAME}.o").read_bytes()
    head = b"graphc-kernel-2\n" + len(CODE).to_bytes(8, "little") + NAME.encode().ljust(72, b"\0") + hashlib.sha256(CODE).digest()
    assert whole == head + CODE


def test_an_entry_with_nothing_in_it_is_one(folder):
    KernelCache(folder).put(NAME, "", b"")
    assert KernelCache(folder).get(NAME) == b""


@pytest.mark.parametrize("larger", [0, 1])
def test_an_entry_that_is_too_large_is_a_miss(folder, monkeypatch, larger):
    KernelCache(folder).put(NAME, "# source", CODE)
    size = (folder / f"{NAME}.o").stat().st_size
    monkeypatch.setattr(cache_module, "LARGEST_ENTRY", size - larger)
    assert KernelCache(folder).get(NAME) == (None if larger else CODE)


@pytest.mark.parametrize("mode", [0o640, 0o644, 0o604, 0o620, 0o602, 0o755])
def test_others_may_read_an_entry_and_not_write_it(folder, mode):
    KernelCache(folder).put(NAME, "# source", CODE)
    (folder / f"{NAME}.o").chmod(mode)
    assert KernelCache(folder).get(NAME) == (None if mode & 0o022 else CODE)


def test_older_entries_are_told_from_damaged_ones(folder):
    cache = KernelCache(folder)
    contents = {"1": b"graphc-kernel-1\n", "2": b"graphc-kernel-", "3": b"another program\n", "4": b"graphc-kernel-1\n and more", "5": b"",
                "8": b"great-kernel--1\n"}
    for digit, content in contents.items():
        (folder / f"k_{digit * 40}.o").write_bytes(content)
    os.mkfifo(folder / f"k_{'6' * 40}.o")
    (folder / f"k_{'7' * 40}.o").symlink_to(folder / "gone")
    cache.put(NAME, "# source", CODE)
    assert cache.older() == [f"k_{digit * 40}" for digit in "14"]
    assert cache.verify() == [f"k_{digit * 40}" for digit in "235678"]


def test_only_entries_count(folder):
    cache = KernelCache(folder)
    for name in ("k_1234567.o", "k_xyzxyzxyz.o", f"k_{'0' * 65}.o", f"{NAME}.txt", "notes.o", f"x{NAME}.o"):
        (folder / name).write_bytes(b"1234")
    assert (cache.info().entries, cache.verify(), cache.clear()) == (0, [], 0)
    assert len(list(folder.iterdir())) == 6
    cache.put("k_12345678", "12345", b"")
    cache.put(f"k_{'a' * 64}", "12345", b"")
    (folder / "k_12345678.py").unlink()
    assert cache.info() == CacheInfo(folder, 2, 5 + 2 * 128, cache.limit)


def test_what_is_gone_while_the_folder_is_looked_through_does_not_count(folder):
    cache = KernelCache(folder)
    (folder / f"{NAME}.o").symlink_to(folder / "gone")
    cache.put(f"k_{'1' * 40}", "12345", b"")
    assert (cache.info().bytes, cache.info().limit) == (5 + 128, 1 << 30)


# ---- in memory


def test_in_memory_entries_are_found_counted_and_cleared(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match=r"file is not a folder; kernels are kept in memory only"):
        cache = KernelCache(tmp_path / "file", limit=5)
    assert cache.get(NAME) is None
    cache.put(NAME, "# source", CODE)
    cache.put("k_00000001", "# source", b"12")
    assert cache.get(NAME) == CODE
    info = cache.info()
    assert (info.path, info.entries, info.bytes, info.limit) == (None, 2, len(CODE) + 2, 5)
    assert (cache.verify(), cache.older()) == ([], [])
    assert cache.clear() == 2
    assert cache.get(NAME) is None


def test_what_was_stored_before_the_disk_was_full_stays(folder, monkeypatch):
    cache = KernelCache(folder)
    cache.put(NAME, "# source", CODE)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.OPS, "replace", full)
    with pytest.warns(UserWarning, match="cannot be written") as caught:
        cache.put("k_00000001", "# source", b"12")
    assert caught[0].filename == __file__
    (folder / f"{NAME}.o").unlink()
    assert (cache.get(NAME), cache.get("k_00000001")) == (CODE, b"12")
    monkeypatch.undo()
    cache.put("k_00000002", "# source", b"")
    assert not (folder / "k_00000002.o").exists()


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match=r"cannot be made \(Not a directory\); kernels are kept in memory only"):
        assert KernelCache(tmp_path / "file" / "below").info().path is None


def test_a_folder_that_another_process_makes_meanwhile_is_used(tmp_path, monkeypatch):
    real = Path.mkdir

    def late(self, mode=0o777):
        real(self, mode=0o750)
        raise FileExistsError

    monkeypatch.setattr(Path, "mkdir", late)
    assert KernelCache(tmp_path / "a" / "b").info().path == tmp_path / "a" / "b"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o750  # what somebody else has made is his


# ---- age and room


def ages(folder):
    return {path.stem: time.time() - path.stat().st_mtime for path in folder.glob("*.o")}


def test_the_day_of_the_last_use_is_noted(folder):
    cache = KernelCache(folder)
    for name, age in ((NAME, 90_000), ("k_00000001", 80_000)):
        cache.put(name, "# source", CODE)
        os.utime(folder / f"{name}.o", times=(time.time() - age,) * 2)
        assert cache.get(name) == CODE
    assert ages(folder)[NAME] < 1000
    assert ages(folder)["k_00000001"] > 70_000


def test_where_the_last_use_cannot_be_noted_entries_are_read_all_the_same(folder, monkeypatch):
    def fails(*args, **kwargs):
        raise PermissionError

    cache = KernelCache(folder)
    cache.put(NAME, "# source", CODE)
    os.utime(folder / f"{NAME}.o", times=(0, 0))
    monkeypatch.setattr(os, "utime", fails)
    assert cache.get(NAME) == CODE


def test_what_a_killed_process_left_is_removed_after_a_day(folder):
    KernelCache(folder)
    for name, age in ((".new-old", 90_000), (".new-young", 80_000), ("other-old", 90_000)):
        (folder / name).write_text("")
        os.utime(folder / name, times=(time.time() - age,) * 2)
    (folder / ".new-folder").mkdir()
    os.utime(folder / ".new-folder", times=(0, 0))
    KernelCache(folder).put(NAME, "# source", CODE)
    assert {path.name for path in folder.iterdir()} == {".new-young", "other-old", ".new-folder", f"{NAME}.py", f"{NAME}.o"}


def filled(folder, sizes, limit):
    """A cache with entries of these sizes, as old as their position is small."""
    cache = KernelCache(folder, limit=1 << 30)
    for number, size in enumerate(sizes):
        cache.put(f"k_{number:08x}", "x" * 100, bytes(size - 228))
        os.utime(folder / f"k_{number:08x}.o", times=(1000 + number,) * 2)
    return KernelCache(folder, limit)


def kept(folder):
    return sorted(int(path.stem[2:], 16) for path in folder.glob("*.o"))


@pytest.mark.parametrize(("limit", "left"), [(5000, [0, 1, 2, 3, 9]), (4999, [2, 3, 9]), (3750, [2, 3, 9]), (3749, [3, 9]),
                                               (100, [])])
def test_room_is_made_to_four_fifths_and_only_where_there_is_too_much(folder, limit, left):
    """Five entries of 900 bytes with sources of 100. Four fifths of 4,999 are less than four of them."""
    filled(folder, [1000] * 4, limit).put(f"k_{9:08x}", "x" * 100, bytes(1000 - 228))
    assert kept(folder) == left


def test_sources_without_an_entry_go_first(folder):
    cache = filled(folder, [1000] * 4, 4600)
    (folder / "k_ffffffff.py").write_bytes(bytes(900))
    cache.put(f"k_{9:08x}", "x" * 100, bytes(1000 - 228))
    assert not (folder / "k_ffffffff.py").exists()
    assert kept(folder) == [2, 3, 9]


def test_what_another_process_removes_meanwhile_is_not_missed(folder, monkeypatch):
    gone = folder / "k_000000ff.o"
    monkeypatch.setattr(KernelCache, "_sizes", lambda self, real=KernelCache._sizes: {gone: (10_000, 0.0), **real(self)})
    cache = filled(folder, [1000] * 4, 4600)
    cache.put(f"k_{9:08x}", "x" * 100, bytes(1000 - 228))
    assert kept(folder) == [2, 3, 9]


def test_the_folder_is_not_looked_through_at_each_entry(folder, monkeypatch):
    """After a look, a quarter of the room that is left, or of a sixteenth of the limit, may be written without another."""
    looks = []
    monkeypatch.setattr(KernelCache, "_sizes", lambda self, real=KernelCache._sizes: looks.append(1) or real(self))
    cache = KernelCache(folder, limit=100_000)
    cache.put(NAME, "", bytes(20_000 - 128))  # a quarter of 80,000 is 20,000
    for _ in range(4):
        cache.put(NAME, "", bytes(5000))
        assert len(looks) == 1
    cache.put(NAME, "", bytes(5000))
    assert len(looks) == 2


def test_a_folder_that_is_nearly_full_is_still_not_looked_through_at_each_entry(folder, monkeypatch):
    looks = []
    monkeypatch.setattr(KernelCache, "_sizes", lambda self, real=KernelCache._sizes: looks.append(1) or real(self))
    cache = KernelCache(folder, limit=16_000)
    cache.put(NAME, "", bytes(16_000 - 128))
    cache.put("k_00000001", "", bytes(250))  # a quarter of 1,000 is 250
    assert len(looks) == 1
    cache.put("k_00000002", "", b"1")
    assert len(looks) == 2


# ---- where it lies


def test_the_folder_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    monkeypatch.setenv("GRAPHC_CACHE_DIR", "/g")
    assert default_folder() == Path("/g")
    monkeypatch.setenv("GRAPHC_CACHE_DIR", "")
    assert default_folder() == Path("/x/graphc")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert default_folder() == Path("/home/somebody/.cache/graphc")


def test_a_process_has_one_cache(folder, monkeypatch):
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(folder))
    kernel_cache.cache_clear()
    try:
        assert kernel_cache().folder == folder
        assert kernel_cache() is kernel_cache()
        assert kernel_cache().limit == limit_from_environment()
    finally:
        kernel_cache.cache_clear()


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o720, 0o702])
def test_a_folder_is_unsafe_where_others_may_write(folder, mode):
    folder.mkdir()
    folder.chmod(mode)
    assert unsafe(folder) == ("can be written by others" if mode & 0o022 else None)


@pytest.mark.parametrize("mode", [0o755, 0o775, 0o757, 0o1775, 0o1777])
def test_a_parent_that_others_may_write_is_safe_if_they_may_not_rename(tmp_path, monkeypatch, mode):
    (tmp_path / "parent" / "cache").mkdir(parents=True)
    (tmp_path / "parent" / "cache").chmod(0o700)
    (tmp_path / "parent").chmod(mode)
    safe = mode in (0o755, 0o1775, 0o1777)
    wanted = None if safe else f"lies in {tmp_path / 'parent'}, which can be written by others"
    monkeypatch.chdir(tmp_path)
    assert unsafe(tmp_path / "parent" / "cache") == unsafe(Path("parent/cache")) == wanted


@pytest.mark.parametrize("mask", [0, 0o777])
def test_new_folders_are_this_users_whatever_the_umask_takes_away(tmp_path, mask):
    before = os.umask(mask)
    try:
        KernelCache(tmp_path / "a" / "b").put(NAME, "# source", CODE)
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / part).stat().st_mode) for part in ("a", "a/b")] == [0o700, 0o700]


def test_what_another_process_has_removed_is_cleared_too(folder, monkeypatch):
    cache = KernelCache(folder)
    cache.put(NAME, "# source", CODE)
    gone = folder / "k_000000ff.o"
    monkeypatch.setattr(KernelCache, "_files", lambda self, real=KernelCache._files: [gone, *real(self)])
    cache.clear()
    assert not list(folder.iterdir())


def test_what_is_said_of_the_cache_stays(folder):
    with pytest.raises(AttributeError):
        KernelCache(folder).info().entries = 3
