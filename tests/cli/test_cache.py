"""`graphc cache` on a folder of its own."""

import pytest

from graphc.runtime.cache import KernelCache

NAME = "k_" + "0" * 40


@pytest.fixture
def cache(tmp_path, monkeypatch):
    found = KernelCache(tmp_path / "cache")
    monkeypatch.setattr("graphc.cli.cache.kernel_cache", lambda: found)
    found.put(NAME, "# source", b"code")
    return found


def test_info(graphc, cache):
    assert graphc("cache", "info").out.split("\n")[:2] == [f"folder   {cache.folder}", "kernels  1"]


def test_clear(graphc, cache):
    assert graphc("cache", "clear").out == "removed 1 kernel\n"
    assert graphc("cache", "clear").out == "removed 0 kernels\n"
    assert cache.get(NAME) is None


def test_verify(graphc, cache):
    assert graphc("cache", "verify")[0] == 0
    path = cache.folder / f"{NAME}.o"
    path.write_bytes(path.read_bytes()[:-1])
    status, out, _ = graphc("cache", "verify")
    assert status == 1
    assert out.startswith(f"damaged  {NAME}\n1 kernel, 1 damaged")


def test_an_unsafe_folder_is_a_warning_on_one_line(graphc, tmp_path, monkeypatch):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setattr("graphc.cli.cache.kernel_cache", lambda: KernelCache(folder))
    status, out, err = graphc("cache", "info")
    assert (status, out.split("\n")[0]) == (0, "folder   none; kernels are kept in memory only")
    assert err.startswith("graphc: warning: ")
    assert err.count("\n") == 1


def test_entries_of_another_release_are_not_damaged(graphc, cache):
    (cache.folder / f"k_{'1' * 40}.o").write_bytes(b"graphc-kernel-1\n" + b"\0" * 60)
    status, out, _ = graphc("cache", "verify")
    assert status == 0
    assert out.split("\n")[:2] == ["2 kernels, 0 damaged; a damaged one is compiled anew when it is needed",
                                   "1 kernel of another release, no longer used; `graphc cache clear` removes them"]
    assert graphc("cache", "clear").out == "removed 2 kernels\n"
