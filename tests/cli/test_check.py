"""`graphc check`: agreement passes, a wrong kernel is found and named, errors are measured as the help says."""

import json
import math

import numpy as np
import pytest

from graphc.cli import measure
from graphc.cli.distances import relative_error, ulp_error
from graphc.cli.feeds import feed_for, index_limits
from graphc.compiler import compile_graph
from graphc.errors import ShapeError
from graphc.ir.parser import parse
from tests.cli.conftest import MLP

EMBEDDING = """graph e(%i: f32[B,T], %table: f32[7,2], %flag: bool[]) {
  %k = cast(%i){dtype=i32}
  %r = reshape(%k){shape=(B*T,)}
  %e = gather(%table, %r){axis=0}
  %n = reduce_sum(%e){axes=(0,)}
  %full = full{value=0.25, shape=(B,3), dtype=f32}
  %less = less(%n, %n)
  return %n, %full, %less
}"""


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_agreement(graphc, mlp, target):
    status, out, err = graphc("check", mlp, "--target", target, "--batch", 3)
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.split("\n")[1:6]].count("output") == 1
    assert f"mlp on {target}: 4 values and 1 outputs, none beyond tolerance" in out


def test_every_value_goes_into_the_json(graphc, mlp, tmp_path):
    graphc("check", mlp, "--json", tmp_path / "r.json", "--seed", 5)
    report = json.loads((tmp_path / "r.json").read_text())
    assert [m["op"] for m in report["values"]] == ["matmul", "broadcast", "add", "softmax"]
    assert [m["layer"] for m in report["outputs"]] == ["dense_1/softmax"]
    assert all(m["passed"] for m in report["values"])
    assert report["seed"] == 5


def test_no_float_is_exact_enough_for_tolerance_0(graphc, mlp):
    status, out, _ = graphc("check", mlp, "--tolerance", 0)
    assert status == 1
    assert "dense_1 <- beyond tolerance" in out


@pytest.fixture
def wrong(monkeypatch):
    """Makes the target's result number `position` wrong by `change`."""
    def spoil(position, change):
        def compile_wrong(graph, **options):
            def call(*given):
                results = compile_graph(graph, target="reference")(*given)
                if len(results) > position:
                    results[position] = change(results[position]).astype(results[position].dtype)
                return results

            return call

        monkeypatch.setattr(measure, "compile_graph", compile_wrong)

    return spoil


def one_nan(x):
    x = x.copy()
    x.flat[-1] = np.nan
    return x


@pytest.mark.parametrize("change", [lambda x: x * 1.001, one_nan, lambda x: x + np.inf, np.zeros_like])
def test_a_wrong_op_is_found_and_named(graphc, mlp, wrong, change):
    wrong(2, change)
    status, out, _ = graphc("check", mlp)
    assert status == 1
    assert [line.split()[0] for line in out.split("\n") if "beyond tolerance" in line][:1] == ["add"]
    assert "dense_1 <- beyond tolerance" in out


def test_a_program_that_is_wrong_only_as_it_is_compiled_for_use_is_found(graphc, mlp, wrong, monkeypatch):
    wrong(0, lambda x: x * 1.01)
    spoiled = measure.compile_graph
    monkeypatch.setattr(measure, "compile_graph",
                        lambda g, **options: (spoiled if len(g.outputs) == 1 else compile_graph)(g, **options))
    status, out, _ = graphc("check", mlp, "--target", "reference")
    assert status == 1
    assert [line.split()[0] for line in out.split("\n") if "<- beyond" in line] == ["output"]


def test_inputs_are_in_range_and_reproducible(graphc, tmp_path):
    graph = parse(EMBEDDING)
    first, again, other = (feed_for(graph, {}, seed, 50) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert first[0].shape == (50, 6)
    assert set(np.unique(first[0])) == set(range(7))
    assert index_limits(graph) == {graph.ops[1].result: 7, graph.ops[0].result: 7, graph.inputs[0]: 7}
    path = tmp_path / "e.graph"
    path.write_text(EMBEDDING)
    assert graphc("check", path).status == 0


def test_states_keep_their_values():
    class State:
        array = np.array([[9.0]], np.float32)

    graph = parse("graph g(%x: f32[B,1], %w: f32[1,1]) { %y = matmul(%x, %w) return %y }")
    assert feed_for(graph, {1: State}, 0, None)[1] == 9


def test_inputs_that_cannot_be_made():
    with pytest.raises(ShapeError, match="too large"):
        feed_for(parse("graph g(%x: f32[999999,999999]) { return %x }"), {}, 0, None)
    with pytest.raises(ShapeError, match="no shape"):
        feed_for(parse("graph g(%x: f32[B-9]) { return %x }"), {}, 0, 2)


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(("found", "exact", "relative", "ulp"), [
    ([1, 2], [1, 2], 0, 0), ([1, 2.5], [1, 2], 0.25, 0.5 / 2**-22), ([NAN, INF, -INF], [NAN, INF, -INF], 0, 0),
    ([NAN], [1], INF, INF), ([INF], [1], INF, INF), ([INF], [-INF], INF, INF), ([INF], [1e300], 0, 0), ([], [], 0, 0),
    ([0.5, 4], [0, 4], 0.125, 0.5 / 2**-149), ([1e-3], [0], INF, 1e-3 / 2**-149)])
def test_errors_are_measured(found, exact, relative, ulp):
    found, exact = np.array(found, np.float32), np.array(exact, np.float64)
    assert relative_error(found, exact, 0.0) == pytest.approx(relative, rel=1e-6)
    assert ulp_error(found, exact) == pytest.approx(ulp, rel=1e-6)


def test_integers_are_equal_or_not():
    assert relative_error(np.array([1, 2]), np.array([1, 2]), 0.0) == 0
    assert relative_error(np.array([True]), np.array([False]), 0.0) == INF


def test_a_sum_that_cancels_is_measured_by_its_terms():
    graph = parse("graph g(%x: f32[4]) { %s = reduce_sum(%x){axes=(0,)} return %s }")
    feed = [np.array([1e6, 0.1, -1e6, 0.2], np.float32)]
    (measured,) = measure.measure(graph, feed, "reference").values
    assert measured.relative < 1e-7
    assert measured.accumulated > 1e-3
    assert measured.tolerance == pytest.approx(2e-5)


@pytest.mark.parametrize(("text", "terms"), [
    ("matmul(%x, %x)", 4), ("reduce_sum(%x){axes=(0,1)}", 16), ("add(%x, %x)", 1), ("softmax(%x){axis=0}", 16),
    ("reduce_max(%x){axes=(1,)}", 4), ("transpose(%x){perm=(1,0)}", 1)])
def test_tolerance_grows_with_the_number_of_terms(text, terms):
    op = parse(f"graph g(%x: f32[4,4]) {{ %y = {text} return %y }}").ops[0]
    assert measure.terms_of(op, {}) == terms


def test_the_mlp_of_these_tests_is_in_its_printed_form():
    assert MLP.startswith("graph mlp")
