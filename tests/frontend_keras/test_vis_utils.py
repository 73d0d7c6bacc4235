"""Pictures of models: what Graphviz is given, and what is drawn without it."""

import os
import re
import stat
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.errors import ArgumentError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import (
    LSTM,
    Activation,
    Bidirectional,
    Concatenate,
    Conv2D,
    Dense,
    Embedding,
    Flatten,
    Input,
    concatenate,
)
from graphc.frontend_keras.models import Model, Sequential
from graphc.frontend_keras.utils.drawing import layout, order, ranks
from graphc.frontend_keras.utils.drawing.boxes import sketch
from graphc.frontend_keras.utils.vis_utils import model_to_dot, plot_model

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def fresh_session():
    K.clear_session()


def chain():
    return Sequential([Conv2D(4, 3, input_shape=(8, 8, 1)), Flatten(), Dense(2, name="last")])


def branches():
    """Two inputs, a shared layer, a model inside, a wrapper, two outputs."""
    left, right = Input((16,), name="left"), Input((16,), name="right")
    embed = Embedding(50, 8, name="embed")
    both = Bidirectional(LSTM(4, name="lstm"), name="both")
    judge = Sequential([Dense(3, input_dim=16)], name="judge")
    verdict = judge(concatenate([both(embed(left)), both(embed(right))], name="join"))
    return Model([left, right], [verdict, Dense(1, name="aside")(left)])


def named(drawing):
    return [(drawing.boxes[a].name, drawing.boxes[b].name) for a, b in drawing.arrows]


class TestSketch:
    def test_chain(self):
        drawing = sketch(chain())
        assert [box.kind for box in drawing.boxes] == ["InputLayer", "Conv2D", "Flatten", "Dense"]
        assert drawing.arrows == [(0, 1), (1, 2), (2, 3)]
        assert [box.family for box in drawing.boxes] == ["input", "weights", "plain", "weights"]
        assert drawing.boxes[1].inputs == ("(None, 8, 8, 1)",) and drawing.boxes[1].outputs == ("(None, 6, 6, 4)",)

    def test_branches(self):
        drawing = sketch(branches())
        assert set(named(drawing)) == {("left", "embed"), ("right", "embed"), ("embed", "both(lstm)"),
                                       ("both(lstm)", "join"), ("join", "judge"), ("left", "aside")}
        assert len(drawing.arrows) == 6  # the shared layers are called twice, but shown once
        boxes = {box.name: box for box in drawing.boxes}
        assert boxes["both(lstm)"].kind == "Bidirectional(LSTM)"
        assert (boxes["judge"].kind, boxes["judge"].family) == ("Sequential", "model")
        assert boxes["join"].inputs == ("(None, 8)", "(None, 8)") and boxes["join"].family == "merge"

    def test_calls_outside_of_the_model_are_not_shown(self):
        x = Input((3,), name="x")
        shared = Dense(3, name="shared")
        inside = Model(x, shared(x))
        shared(Dense(3, name="elsewhere")(x))
        assert named(sketch(inside)) == [("x", "shared")]

    def test_different_calls(self):
        shared = Dense(2, name="shared")
        inputs = [Input((4, 3)), Input((5, 3))]
        [box] = [box for box in sketch(Model(inputs, [shared(x) for x in inputs])).boxes if box.name == "shared"]
        assert box.inputs == box.outputs == ("multiple",)

    def test_models_without_a_graph(self):
        class Own(Model):
            def call(self, x):
                return x

        with pytest.raises(ArgumentError, match="no graph of layers"):
            sketch(Own())
        with pytest.raises(ArgumentError, match="input"):
            sketch(Sequential([Dense(2)]))


class TestDot:
    def test_nodes_and_edges(self):
        pytest.importorskip("pydot")
        model = branches()
        dot = model_to_dot(model, show_shapes=True, rankdir="LR")
        assert dot.get("rankdir") == "LR" and dot.get("concentrate") is True
        join, judge = (model.get_layer(name) for name in ("join", "judge"))
        [node] = dot.get_node(str(id(join)))
        assert node.get("label") == ('"join: Concatenate\\n|{input:|output:}|{{[(None, 8), (None, 8)]}|{(None, 16)}}"')
        assert dot.get_edge(str(id(join)), str(id(judge)))
        assert len(dot.get_edge_list()) == 6

    def test_without_names(self):
        pytest.importorskip("pydot")
        labels = [node.get("label") for node in model_to_dot(chain(), show_layer_names=False).get_node_list()[1:]]
        assert labels == ['"InputLayer"', '"Conv2D"', '"Flatten"', '"Dense"']

    def test_names_are_escaped(self):
        pytest.importorskip("pydot")
        model = Sequential([Dense(1, input_dim=1, name='a"b{c}|<d>\\e\nf')])
        [node] = model_to_dot(model).get_node(str(id(model.layers[0])))
        assert node.get("label") == '"a\\"b\\{c\\}\\|\\<d\\>\\\\e f: Dense"'

    def test_without_pydot(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "pydot", None)
        with pytest.raises(ImportError, match=re.escape('pip install "graphc-compiler[plot]"')):
            model_to_dot(chain())

    def test_without_pydot_graphc_draws(self, monkeypatch, tmp_path):
        monkeypatch.setitem(sys.modules, "pydot", None)
        monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/dot")
        assert plot_model(chain(), tmp_path / "a.svg") == str(tmp_path / "a.svg")
        assert "Conv2D" in (tmp_path / "a.svg").read_text()

    def test_direction(self):
        with pytest.raises(ArgumentError, match="TB, LR, BT, RL"):
            model_to_dot(chain(), rankdir="up")


class TestFiles:
    def test_graphviz_draws_where_it_is(self, tmp_path, monkeypatch):
        """A program of the name `dot` that writes its arguments shows what Graphviz is asked for."""
        pytest.importorskip("pydot")
        program = tmp_path / "dot"
        program.write_text('#!/bin/sh\nprintf "%s" "$1"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        for name, kind in (("a.png", "png"), ("b.pdf", "pdf"), ("c", "png"), ("d.svg", "svg")):
            assert plot_model(chain(), to_file=str(tmp_path / name)) == str(tmp_path / name)
            assert (tmp_path / name).read_text() == f"-T{kind}"

    def test_svg_without_graphviz(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        assert plot_model(chain(), tmp_path / "a.svg") == str(tmp_path / "a.svg")
        texts = [text.text for text in ET.parse(tmp_path / "a.svg").iter(f"{SVG}text")]
        assert texts == ["conv2d_1_input", "InputLayer", "conv2d_1", "Conv2D", "flatten_1", "Flatten", "last", "Dense"]

    @pytest.mark.parametrize("name", ["a.png", "a"])
    def test_other_formats_without_graphviz(self, tmp_path, monkeypatch, name):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.warns(UserWarning, match="Graphviz is not installed.*a.svg"):
            written = plot_model(chain(), str(tmp_path / name), show_shapes=True, show_layer_names=False)
        assert written == str(tmp_path / "a.svg")
        assert os.listdir(tmp_path) == ["a.svg"]
        texts = [text.text for text in ET.parse(written).iter(f"{SVG}text")]
        assert texts[-3:] == ["Dense", "in (None, 144)", "out (None, 2)"]

    def test_no_folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(OSError):
            plot_model(chain(), str(tmp_path / "nowhere" / "a.svg"))

    def test_hostile_names(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        names = ["</text><script>alert(1)</script>", "a\x00b\ud800\uffff", "n" * 500, "]]>&amp;\"'", "日本語 \u202e"]
        model = Sequential([Dense(1, input_dim=1, name=names[0]), *(Dense(1, name=name) for name in names[1:])])
        root = ET.parse(plot_model(model, tmp_path / "a.svg")).getroot()
        assert {element.tag for element in root.iter()} == {SVG + tag for tag in ("svg", "style", "defs", "marker",
                                                                                  "path", "rect", "g", "title", "text")}
        texts = [text.text for text in root.iter(f"{SVG}text")][2::2]
        assert texts == [names[0], "a\ufffdb\ufffd\ufffd", "n" * 47 + "…", names[3], names[4]]

    @pytest.mark.parametrize("rankdir", ["TB", "BT", "LR", "RL"])
    def test_directions(self, tmp_path, monkeypatch, rankdir):
        monkeypatch.setenv("PATH", str(tmp_path))
        root = ET.parse(plot_model(chain(), tmp_path / "a.svg", rankdir=rankdir)).getroot()
        rects = [group.find(f"{SVG}rect") for group in root.iter(f"{SVG}g")]
        along = [float(rect.get("y" if rankdir in ("TB", "BT") else "x")) for rect in rects]
        assert along == sorted(along, reverse=rankdir in ("BT", "RL")) and len(set(along)) == 4


def random_graph(draw):
    count = draw(st.integers(1, 14))
    ends = st.integers(0, count - 1)
    return count, draw(st.lists(st.tuples(ends, ends), max_size=24, unique=True))


graphs = st.composite(random_graph)()


class TestLayout:
    @given(graphs)
    def test_rows(self, graph):
        count, arrows = graph
        rows = ranks.into_rows(count, arrows)
        row_of = {node: i for i, row in enumerate(rows.rows) for node in row}
        assert sorted(node for node in row_of if node < count) == list(range(count))
        for (a, b), chain in zip(arrows, rows.chains, strict=True):
            assert {chain[0], chain[-1]} == {a, b}
            assert [row_of[node] for node in chain] == list(range(row_of[chain[0]], row_of[chain[0]] + len(chain)))

    @given(graphs)
    def test_boxes_keep_apart_and_arrows_pass_between(self, graph):
        count, arrows = graph
        sizes = [(60.0 + 13 * (i % 5), 20.0 + 7 * (i % 3)) for i in range(count)]
        found = layout.lay_out(sizes, arrows)
        corners = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for (x, y), (w, h) in zip(found.centres, sizes)]
        for i, a in enumerate(corners):
            assert a[0] >= -1e-6 and a[1] >= -1e-6
            assert a[2] <= found.size[0] + 1e-6 and a[3] <= found.size[1] + 1e-6
            for b in corners[:i]:
                assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]
        for (a, b), way in zip(arrows, found.ways, strict=True):
            assert len(way) % 2 == 0
            if a == b:
                continue
            for end, (x, y) in ((a, way[0]), (b, way[-1])):
                assert corners[end][0] <= x <= corners[end][2]
                assert min(abs(y - corners[end][1]), abs(y - corners[end][3])) < 1e-6
            for start, end in zip(way[1:-1:2], way[2:-1:2], strict=True):
                assert start[0] == end[0]
                top, bottom = sorted((start[1], end[1]))
                assert not any(c[0] < start[0] < c[2] and c[1] < bottom and top < c[3] for c in corners)

    def test_crossings_are_counted_and_cut(self):
        rows = ranks.into_rows(6, [(0, 5), (1, 4), (2, 3)])
        assert rows.rows == [[0, 1, 2], [3, 4, 5]]
        assert order.crossings(rows) == 3
        order.cut_crossings(rows)
        assert order.crossings(rows) == 0

    def test_complete_graphs_cross_as_often_as_they_must(self):
        rows = ranks.into_rows(6, [(a, b) for a in range(3) for b in range(3, 6)])
        order.cut_crossings(rows)
        assert order.crossings(rows) == 9  # every pair of pairs: C(3,2)^2

    def test_inputs_stand_near_to_what_reads_them(self):
        rows = ranks.into_rows(5, [(0, 1), (1, 2), (2, 3), (4, 3)])
        assert rows.rows == [[0], [1], [2, 4], [3]]

    def test_spread_is_the_least_squares_solution(self):
        widths = [10.0] * 3
        distance = 10 + layout.GAP
        # apart enough: as wanted; else around their mean, at the least distance
        assert layout._spread([0, 1], [0.0, 100.0], [1.0, 1.0], widths) == [0, 100]
        assert layout._spread([0, 1], [50.0, 50.0], [1.0, 1.0], widths) == [50 - distance / 2, 50 + distance / 2]
        heavy = layout._spread([0, 1], [50.0, 50.0], [3.0, 1.0], widths)
        np.testing.assert_allclose(heavy, [50 - distance / 4, 50 + 3 * distance / 4])
        np.testing.assert_allclose(layout._spread([0, 1, 2], [9.0, 6.0, 3.0], [1.0] * 3, widths),
                                   [6 - distance, 6, 6 + distance])

    def test_circles_of_shared_layers(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        x = Input((4,), name="x")
        again = Dense(4, name="again")
        model = Model(x, again(again(Activation("relu", name="between")(again(x)))))
        assert set(named(sketch(model))) == {("x", "again"), ("again", "between"), ("between", "again"),
                                             ("again", "again")}
        root = ET.parse(plot_model(model, tmp_path / "a.svg")).getroot()
        assert len([path for path in root.iter(f"{SVG}path") if path.get("class") == "arrow"]) == 4

    def test_chains_are_straight(self):
        x = Input((4,))
        arms = []
        for depth in (1, 2, 3):
            y = x
            for _ in range(depth):
                y = Dense(4)(y)
            arms.append(y)
        drawing = sketch(Model(x, Concatenate()(arms)))
        found = layout.lay_out([(60.0 + 10 * len(box.name), 30.0) for box in drawing.boxes], drawing.arrows)
        for a, b in drawing.arrows:
            if drawing.boxes[a].kind == drawing.boxes[b].kind == "Dense":
                assert found.centres[a][0] == pytest.approx(found.centres[b][0])
