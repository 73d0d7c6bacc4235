"""Every rewrite rule, run on the graphs of its own docstring, and checked on the reference."""

import numpy as np
import pytest

from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse_all
from graphc.ir.printer import print_graph
from graphc.ir.verify import verify
from graphc.passes import pipeline, rules_algebra, rules_legal
from graphc.passes.dce import dce
from graphc.passes.rewrite import RULES, rewrite

assert pipeline
CASES = [(name, rule) for name, rules in RULES.items() for rule in rules]
CASES += [("reduce_sum", rules_legal.split_reduction)]


def graphs_of(rule):
    text = rule.__doc__[rule.__doc__.index("graph before"):]
    return parse_all(text)


def body_text(graph):
    return print_graph(graph.replace(name="g"))


@pytest.mark.parametrize(("op", "rule"), CASES, ids=lambda x: x if isinstance(x, str) else x.__name__)
def test_rule_does_what_its_docstring_says(op, rule):
    before, after = graphs_of(rule)
    starts = {b.name for b in before.ops}
    assert starts & {name for name, rules in [*RULES.items(), ("reduce_sum", [rules_legal.split_reduction])]
                     if rule in rules}
    rewritten = dce(rewrite(before, {name: [rule] for name in starts}))
    verify(rewritten)
    assert _shape_of(rewritten) == _shape_of(after)
    feed = [np.random.default_rng(0).uniform(0.5, 2, [5 if not isinstance(d, int) else d for d in v.type.shape])
            .astype(v.type.dtype.numpy) for v in before.inputs]
    if before.inputs:
        for a, b in zip(evaluate(before, feed), evaluate(rewritten, feed), strict=True):
            np.testing.assert_array_equal(a, b)


def _shape_of(graph):
    """The graph's structure without names: op names, attributes and operand numbers."""
    number = {v: i for i, v in enumerate(graph.inputs)}
    lines = []
    for op in graph.ops:
        lines.append((op.name, tuple(number[v] for v in op.operands), op.attrs))
        for result in op.results:
            number[result] = len(number)
    return lines, [number[v] for v in graph.outputs], [v.type for v in graph.outputs]


def test_splats_fold_whatever_the_shape():
    before, after = graphs_of(rules_algebra.fold_splats)
    assert _shape_of(dce(rewrite(before))) == _shape_of(after)
