"""Making failing cases small, with checks that fail for a known reason."""

import numpy as np
import pytest

from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse
from graphc.ir.verify import verify
from tests.fuzz.campaigns import graph_case
from tests.fuzz.cases import Case, guilty_pass
from tests.fuzz.planted import BUGS
from tests.fuzz.planting import planted
from tests.fuzz.shrink import count_ops, report, shrink


def case_of(text, *arrays):
    return Case(parse(text), [np.asarray(a, "f4") for a in arrays])


def without(*names):
    """A check that fails where all of these ops stand in the graph, in the bodies of loops too."""

    def found(graph):
        inner = set().union(*(found(op.attr("body")) for op in graph.ops if op.name == "scan"))
        return {op.name for op in graph.ops} | inner

    def check(case):
        assert not set(names) <= found(case.graph), f"holds {names}"

    return check


CHAIN = """graph chain(%x: f32[B,3], %w: f32[3,4], %unused: f32[7]) {
  %a = matmul(%x, %w)
  %b = tanh(%a)
  %c = exp(%b)
  %d = reduce_sum(%c){axes=(1,)}
  %e = sigmoid(%d)
  %f = reduce_max(%a){axes=(0,)}
  return %e, %f
}"""


def test_one_op_is_left_with_inputs_of_one_element():
    case = case_of(CHAIN, np.ones((2, 3)), np.ones((3, 4)), np.ones(7))
    shrunk = shrink(case, without("exp"))
    assert [op.name for op in shrunk.case.graph.ops] == ["exp"]
    assert [a.shape for a in shrunk.case.arrays] == [(1, 1)]
    assert shrunk.ops == 1


def test_what_fails_only_together_stays_together():
    case = case_of(CHAIN, np.ones((2, 3)), np.ones((3, 4)), np.ones(7))
    assert [op.name for op in shrink(case, without("exp", "sigmoid")).case.graph.ops] == ["exp", "reduce_sum", "sigmoid"]


def test_a_failure_that_needs_a_size_keeps_it():
    def check(case):
        assert all(dim != 3 for v in case.graph.inputs for dim in v.type.shape)

    shrunk = shrink(case_of(CHAIN, np.ones((2, 3)), np.ones((3, 4)), np.ones(7)), check)
    assert any(3 in v.type.shape for v in shrunk.case.graph.inputs)
    assert max(a.size for a in shrunk.case.arrays) <= 3


def test_bodies_of_loops_become_small():
    case = case_of("""graph loop(%h0: f32[2], %x: f32[3,2]) {
      %h, %s = scan(%h0, %x){body=graph step(%h: f32[2], %x: f32[2]) {
        %a = add(%h, %x)
        %b = tanh(%a)
        %c = exp(%b)
        %d = multiply(%c, %x)
        return %d, %b
      }, carried=1, length=3, reverse=false, sliced=1}
      return %h, %s
    }""", np.ones(2), np.ones((3, 2)))
    assert count_ops(shrink(case, without("scan", "exp")).case.graph) == 2


def test_the_report_reads_back_and_names_what_failed():
    case = case_of(CHAIN, np.ones((2, 3)), np.ones((3, 4)), np.ones(7))
    check = without("matmul", "tanh")
    text = report(shrink(case, check), check)
    graph = parse("\n".join(line for line in text.splitlines() if not line.startswith("#")))
    verify(graph)
    assert [op.name for op in graph.ops] == ["matmul", "tanh"]
    assert text.startswith("# AssertionError: holds ('matmul', 'tanh')")


def test_a_case_that_passes_is_not_shrunk():
    with pytest.raises(ValueError, match="does not fail"):
        shrink(case_of(CHAIN, np.ones((2, 3)), np.ones((3, 4)), np.ones(7)), lambda case: None)


def test_states_stay_states():
    def check(case):
        assert not case.graph.donations, "a state"

    shrunk = shrink(case_of("""graph s(%x: f32[3], %s: f32[3]) {
      %a = add(%x, %s)
      %b = tanh(%a)
      return %a, %b -> %s
    }""", np.ones(3), np.ones(3)), check)
    assert len(shrunk.case.graph.donations) == 1
    evaluate(shrunk.case.graph, shrunk.case.arrays)


def test_the_guilty_pass_is_named():
    bug = next(bug for bug in BUGS if bug.name == "merged in spite of their attributes")
    case = case_of("""graph g(%x: f32[3,3]) {
      %a = cumsum(%x){axis=0}
      %b = cumsum(%x){axis=1}
      %c = subtract(%a, %b)
      return %c
    }""", np.arange(9).reshape(3, 3))
    assert guilty_pass(case) == ""
    with planted(bug.plant):
        assert guilty_pass(case) == "cse"


def test_random_cases_become_small_and_stay_valid():
    for seed in (1, 4, 9, 12):
        case = graph_case(seed)
        name = case.graph.ops[-1].name
        shrunk = shrink(case, without(name))
        verify(shrunk.case.graph)
        assert shrunk.ops <= 2
