"""The testers tested: bugs planted in the compiler are found and made small, and nothing of them stays behind.

A sample; `python -m tests.fuzz --kind planted` hunts all of them.
"""

import numpy as np
import pytest

from graphc import compiler
from graphc.compiler import compile_graph
from graphc.ir.parser import parse
from tests.fuzz.cases import Case, compiled, verdict
from tests.fuzz.hunting import MOST_OPS, Texts, hunt
from tests.fuzz.planted import BUGS
from tests.fuzz.planting import planted

NAMED = {bug.name: bug for bug in BUGS}
SAMPLE = {"constants folded in the wrong order": 0, "the other branch of a known select": 0,
          "no sum over repeated elements in a gradient": 0, "the gradient of sigmoid without a factor": 0}


def test_there_are_at_least_twenty_with_names_of_their_own():
    assert len(NAMED) == len(BUGS) >= 20


@pytest.mark.parametrize("name", SAMPLE)
def test_a_bug_is_found_and_made_small(name):
    found = hunt(NAMED[name], Texts(), first=SAMPLE[name], graphs=60)
    assert found.shrunk is not None
    assert found.shrunk.ops <= MOST_OPS
    assert verdict(compiled, found.shrunk.case) == "", "the right compiler passes"


SUMMED = Case(parse("""graph g(%x: f32[3]) {
  %y = cumsum(%x){axis=0}
  return %y
}"""), [np.ones(3, "f4")])


def test_nothing_stays_behind():
    """Neither in the compiler, nor in the kernels of this process, nor on disk."""
    bug = NAMED["a running sum that forgets"]
    assert verdict(compiled, SUMMED) == ""
    with planted(bug.plant):
        folder = compiler.kernel_cache().folder
        assert verdict(compiled, SUMMED) == "AssertionError"
        np.testing.assert_array_equal(compile_graph(SUMMED.graph)(*SUMMED.arrays)[0], [1, 1, 2])
        names = [path.stem for path in folder.glob("*.o")]
    assert verdict(compiled, SUMMED) == ""
    assert names
    assert not folder.exists()
    assert all(compiler.kernel_cache().get(name) is None for name in names)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_bug_can_be_planted_and_removed(bug):
    with planted(bug.plant):
        pass
    assert verdict(compiled, SUMMED) == ""
