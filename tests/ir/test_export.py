"""JSON that other programs can read, and DOT that names and quotes cannot break."""

import json
import re

import numpy as np
import pytest

import graphc.ir
from graphc.ir import F32, Array, Builder, TensorType, symbol
from graphc.ir.export import graph_dot, graph_json
from graphc.ir.parser import parse
from tests.ir.samples import SAMPLES, graph_of

assert graphc.ir
STEP = """graph step(%w: f32[B,3]) {
  %k = full{dtype=f32, shape=(B,3), value=-inf}
  %w1 = add(%w, %k)  # sgd
  return %w, %w1 -> %w
}"""


def test_json_says_everything():
    shape = ["B", 3]
    assert json.loads(graph_json(parse(STEP))) == {
        "graph": "step", "inputs": [{"name": "w", "type": {"dtype": "f32", "shape": shape}}],
        "ops": [{"op": "full", "operands": [], "attributes": {"dtype": "f32", "shape": shape, "value": "-inf"},
                 "results": [{"name": "k", "type": {"dtype": "f32", "shape": shape}}], "origin": ""},
                {"op": "add", "operands": ["w", "k"], "attributes": {},
                 "results": [{"name": "w1", "type": {"dtype": "f32", "shape": shape}}], "origin": "sgd"}],
        "outputs": ["w", "w1"], "donations": [{"output": 1, "input": "w"}]}


def test_constants_are_text():
    b = Builder()
    value = b.emit("constant", value=Array(np.array([0.5, np.nan], np.float32)))
    assert json.loads(graph_json(b.graph([value])))["ops"][0]["attributes"]["value"] == "f32[2](0.5,nan)"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
def test_every_op_can_be_written(sample):
    graph = graph_of(sample)
    assert json.loads(graph_json(graph))["ops"][0]["op"] == sample.op
    assert f'label="{sample.op}' in graph_dot(graph)


def test_dot_has_a_node_for_everything_and_an_edge_for_every_read():
    text = graph_dot(parse(STEP))
    assert re.findall(r"^  (\w+) \[", text, re.M)[1:] == ["in0", "op0", "op1", "out0", "out1"]
    assert re.findall(r"(\w+ -> \w+) \[", text) == ["in0 -> op1", "op0 -> op1", "in0 -> out0", "op1 -> out1"]
    assert r'label="add\nsgd"' in text
    assert r'label="output 1\n-> %w"' in text


@pytest.mark.parametrize("name", ['"];}', "\\", 'a\\"', "x\ny", "\x00"])
def test_dot_strings_cannot_be_broken_out_of(name):
    b = Builder()
    x = b.input(TensorType(F32, (symbol("B"),)), name)
    b.origin = name
    text = graph_dot(b.graph([b.emit("relu", x)], name))
    strings = re.compile(r'"(?:[^"\\]|\\.)*"')
    assert set(strings.sub("", text)) <= set("digraph {}rankdir=TB;node[fontname] \n\t->shapebox,elips0123456789tyuw")
