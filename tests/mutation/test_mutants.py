"""The faults are there, one at a time, and tests that see them are told from tests that do not."""

import ast

import pytest

from tests.mutation.__main__ import MODULES, sample
from tests.mutation.mutants import mutants
from tests.mutation.running import ROOT, run

SOURCE = '''"""About nothing."""
LIMIT = 3


def least(a, b: "int | None" = None):
    """The smaller."""
    if b is not None and a < b:
        return a
    print(f"{b} is less")
    if not a:
        raise ValueError("none" + "of both")
    return b
'''
WANTED = ["2: 3 becomes 4", "7: the condition is turned round", "7: And becomes Or", "7: IsNot becomes Is", "7: Lt becomes LtE",
          "8: returns None", "9: the call is left out", "10: the condition is turned round", "10: not is left out",
          "11: does not raise", "12: returns None"]


def test_faults_of_a_source():
    found = mutants(SOURCE)
    assert sorted(f"{one.line}: {one.what}" for one in found) == sorted(WANTED)
    plain = ast.unparse(ast.parse(SOURCE))
    sources = [one.of(SOURCE) for one in found]
    assert plain not in sources
    assert len(set(sources)) == len(sources)
    (swapped,) = [one.of(SOURCE) for one in found if one.what == "Lt becomes LtE"]
    assert swapped == plain.replace("a < b", "a <= b")


def test_the_faults_of_every_module_are_drawn_by_the_seed_alone():
    for name, files in MODULES.items():
        assert all((ROOT / path).is_file() for path in files)
        assert all((ROOT / test.partition("::")[0]).exists() for tests in files.values() for test in tests)
        count, drawn = sample(name, 20, "1")
        assert count > 100
        assert (len(drawn), drawn) == (20, sample(name, 20, "1")[1])


@pytest.mark.parametrize(("body", "said"), [("assert True", "passed"), ("assert False", "failed"), ("while True: pass", "hangs")])
def test_what_tests_say(tmp_path, body, said):
    (tmp_path / "test_it.py").write_text(f"def test_it():\n    {body}\n")
    (tmp_path / "setup.cfg").write_text("[tool:pytest]\n")
    found, seconds = run(tmp_path, ["test_it.py"], 2.0 if said == "hangs" else 60.0)
    assert (found, seconds > 0) == (said, True)
