"""The helpers of keras.utils: labels, progress bar, custom objects, summary."""

import builtins
import contextlib
import io

import numpy as np
import pytest

from graphc.errors import ArgumentError, IndexRangeError, ModelFormatError
from graphc.frontend_keras import constraints, initializers, losses, metrics, optimizers, regularizers, utils
from graphc.frontend_keras.utils import generic_utils, io_utils, layer_utils
from graphc.frontend_keras.utils.progbar import Progbar


class TestToCategorical:
    def test_rows(self):
        found = utils.to_categorical([2, 0, 1])
        assert found.dtype == np.float32
        assert found.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]

    @pytest.mark.parametrize(("shape", "expected"), [((5,), (5, 7)), ((5, 1), (5, 7)), ((5, 3), (5, 3, 7)),
                                                     ((5, 3, 1), (5, 3, 7)), ((1,), (1, 7)), ((0,), (0, 7))])
    def test_shapes(self, shape, expected):
        labels = np.random.default_rng(0).integers(0, 7, shape)
        found = utils.to_categorical(labels, 7)
        assert found.shape == expected
        assert (found.argmax(-1) == labels.reshape(expected[:-1])).all()
        assert (found.sum(-1) == 1).all()

    def test_dtype(self):
        assert utils.to_categorical([0, 1], dtype="int32").dtype == np.int32

    def test_floats_are_cut(self):
        assert utils.to_categorical([1.0, 0.0]).tolist() == [[0, 1], [1, 0]]

    @pytest.mark.parametrize("labels", [[0, 3], [-1, 0]])
    def test_outside(self, labels):
        with pytest.raises(IndexRangeError, match="0 <= label < 3"):
            utils.to_categorical(labels, 3)

    def test_nan(self):
        with pytest.raises(ArgumentError, match="not finite"):
            utils.to_categorical([0.0, float("nan")])


def test_normalize():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(utils.normalize(x), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(utils.normalize(x, axis=0), [[1, 1], [0, 0]])
    np.testing.assert_allclose(utils.normalize(x, order=1), [[3 / 7, 4 / 7], [0, 0]])


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(Progbar, "clock", staticmethod(clock))
    return clock


def updates(bar, clock, steps):
    for seconds, current, values in steps:
        clock.now = 1000.0 + seconds
        bar.update(current, values)


class TestProgbar:
    def test_lines_of_a_file(self, clock, capsys):
        updates(Progbar(100), clock, [(0.0, 0, None), (1.0, 10, [("loss", 0.5)]), (2.0, 20, [("loss", 0.3)]),
                                      (5.0, 100, [("loss", 0.1), ("acc", 0.0005)])])
        assert capsys.readouterr().out.split("\n") == [
            "",
            "  0/100 [..............................] - ETA: 0s",
            " 10/100 [==>...........................] - ETA: 9s - loss: 0.5000",
            " 20/100 [=====>........................] - ETA: 8s - loss: 0.4000",
            "100/100 [==============================] - 5s 50ms/step - loss: 0.1600 - acc: 5.0000e-04",
            ""]

    def test_terminal_is_redrawn(self, clock, monkeypatch):
        out = Terminal()
        monkeypatch.setattr("sys.stdout", out)
        updates(Progbar(4), clock, [(100.0, 1, [("loss", 1.0)]), (100.5, 4, [("loss", 1.0)])])
        first = "1/4 [======>.......................] - ETA: 5:00 - loss: 1.0000"
        last = "4/4 [==============================] - 100s 25s/step - loss: 1.0000"
        assert out.getvalue() == "\r" + first + "\b" * len(first) + "\r" + last + "\n"

    def test_a_shorter_line_covers_a_longer_one(self, clock, monkeypatch):
        out = Terminal()
        monkeypatch.setattr("sys.stdout", out)
        updates(Progbar(3), clock, [(9000.0, 1, [("loss", 1234.5)]), (9000.2, 2, [("loss", -1231.5)])])
        before, after = out.getvalue().split("\r")[1:]
        assert before.rstrip("\b") == "1/3 [=========>....................] - ETA: 5:00:00 - loss: 1234.5000"
        assert after == "2/3 [===================>..........] - ETA: 1:15:00 - loss: 1.5000   "

    def test_refreshed_at_most_every_interval(self, clock, capsys):
        bar = Progbar(10)
        updates(bar, clock, [(0.0, 1, None), (0.04, 2, None), (0.06, 3, None), (0.07, 10, None)])
        counts = [line.split("/")[0].strip() for line in capsys.readouterr().out.split("\n") if "/" in line]
        assert counts == ["1", "3", "10"]

    def test_unknown_target(self, clock, capsys):
        updates(Progbar(None), clock, [(0.002, 1, [("loss", 2.0)])])
        assert capsys.readouterr().out == "\n      1/Unknown - 0s 2ms/step - loss: 2.0000"

    def test_microseconds(self, clock, capsys):
        updates(Progbar(1000), clock, [(0.0837, 1000, None)])
        assert capsys.readouterr().out == "\n1000/1000 [==============================] - 0s 84us/step\n"

    def test_one_line(self, clock, capsys):
        bar = Progbar(10, verbose=2)
        updates(bar, clock, [(1.0, 5, [("loss", 1.0)]), (3.4, 10, [("loss", 0.5), ("x", -2.0)])])
        assert capsys.readouterr().out == " - 3s - loss: 0.7500 - x: -2.0000e+00\n"

    def test_silent(self, clock, capsys):
        updates(Progbar(10, verbose=0), clock, [(1.0, 10, [("loss", 1.0)])])
        assert capsys.readouterr().out == ""

    def test_stateful_values_are_shown_as_they_are(self, clock, capsys):
        bar = Progbar(10, verbose=2, stateful_metrics=["hits"])
        updates(bar, clock, [(1.0, 5, [("hits", 3)]), (2.0, 10, [("hits", 7)])])
        assert capsys.readouterr().out == " - 2s - hits: 7.0000\n"

    def test_add(self, clock, capsys):
        bar = Progbar(4, verbose=2)
        bar.add(1, [("loss", 4.0)])
        bar.add(3, [("loss", 0.0)])
        assert capsys.readouterr().out == " - 0s - loss: 1.0000\n"

    def test_nan(self, clock, capsys):
        updates(Progbar(1), clock, [(0.0, 1, [("loss", float("nan"))])])
        assert "loss: nan\n" in capsys.readouterr().out

    def test_nothing_to_do(self, clock, capsys):
        updates(Progbar(0), clock, [(0.0, 0, None)])
        assert "0/0 [==============================]" in capsys.readouterr().out


class Thing:
    def __init__(self, size=1):
        self.size = size

    def get_config(self):
        return {"size": self.size}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class Box:
    def __init__(self, content):
        self.content = content

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(utils.deserialize_keras_object(config["content"], custom_objects=custom_objects))


class TestCustomObjects:
    def test_scope_leaves_nothing_behind(self):
        before = dict(utils.get_custom_objects())
        with utils.CustomObjectScope({"Thing": Thing}):
            assert utils.deserialize_keras_object({"class_name": "Thing", "config": {"size": 3}}).size == 3
            utils.get_custom_objects()["Other"] = Box
        assert utils.get_custom_objects() == before

    def test_scope_leaves_nothing_behind_after_an_error(self):
        before = dict(utils.get_custom_objects())
        scope = utils.custom_object_scope({"A": 1}, {"B": 2})
        with contextlib.suppress(RuntimeError), scope:
            assert utils.get_custom_objects()["B"] == 2
            raise RuntimeError
        assert utils.get_custom_objects() == before

    def test_round_trip(self):
        config = utils.serialize_keras_object(Thing(4))
        assert config == {"class_name": "Thing", "config": {"size": 4}}
        assert utils.deserialize_keras_object(config, {"Thing": Thing}).size == 4
        assert utils.serialize_keras_object(None) is None
        assert utils.serialize_keras_object(np.sum) == "sum"
        with pytest.raises(ArgumentError, match="Cannot serialize"):
            utils.serialize_keras_object(3)

    def test_order_of_search(self):
        tables = {"f": 1}, {"f": 2}, {"f": 3}
        assert utils.deserialize_keras_object("f", tables[0], tables[1]) == 2
        with utils.CustomObjectScope(tables[2]):
            assert utils.deserialize_keras_object("f", tables[0], tables[1]) == 2
            assert utils.deserialize_keras_object("f", tables[0]) == 3
        assert utils.deserialize_keras_object("f", tables[0]) == 1

    def test_custom_objects_reach_nested_ones(self):
        config = {"class_name": "Box", "config": {"content": {"class_name": "Thing", "config": {"size": 5}}}}
        found = utils.deserialize_keras_object(config, {"Box": Box}, custom_objects={"Thing": Thing})
        assert found.content.size == 5

    def test_functions_take_the_config_as_keywords(self):
        made = utils.deserialize_keras_object({"class_name": "make", "config": {"size": 6}},
                                              {"make": lambda size: Thing(size)})
        assert made.size == 6

    def test_names_are_never_imported(self):
        config = {"module": "os", "class_name": "system", "config": {"command": "true"}, "registered_name": "os>system"}
        with pytest.raises(ArgumentError, match="Unknown layer: system"):
            utils.deserialize_keras_object(config, {"Thing": Thing}, printable_module_name="layer")

    def test_attributes_of_modules_are_not_names(self):
        with pytest.raises(ValueError, match="Unknown object:__builtins__"):
            utils.deserialize_keras_object("__builtins__", {"Thing": Thing})

    @pytest.mark.parametrize("bad", [{}, {"class_name": "Thing"}, {"config": {}}, {"class_name": 3, "config": {}},
                                     {"class_name": ["Thing"], "config": {}}])
    def test_malformed(self, bad):
        with pytest.raises(ModelFormatError):
            utils.deserialize_keras_object(bad, {"Thing": Thing})

    def test_config_of_a_function_must_be_a_dict(self):
        with pytest.raises(ModelFormatError, match="config is not a dict"):
            utils.deserialize_keras_object({"class_name": "f", "config": [1]}, {"f": lambda: None})

    @pytest.mark.parametrize(("module", "class_name"), [
        (initializers, "RandomNormal"), (initializers, "GlorotUniform"), (regularizers, "L1L2"),
        (constraints, "MaxNorm"), (optimizers, "Adam"), (losses, "MeanSquaredError"), (metrics, "MeanMetricWrapper")])
    @pytest.mark.parametrize("config", [None, [1], "x", 3])
    def test_hostile_config(self, module, class_name, config):
        with pytest.raises(ModelFormatError, match=f"{class_name}: config is not a dict"):
            module.get({"class_name": class_name, "config": config})

    def test_neither_name_nor_dict(self):
        with pytest.raises(ValueError, match="Could not interpret serialized thing"):
            utils.deserialize_keras_object(3, {}, printable_module_name="thing")


def test_has_arg():
    def plain(a, b=1):
        pass

    def greedy(a, **kwargs):
        pass

    assert generic_utils.has_arg(plain, "b")
    assert not generic_utils.has_arg(plain, "c", accept_all=True)
    assert not generic_utils.has_arg(greedy, "c")
    assert generic_utils.has_arg(greedy, "c", accept_all=True)
    assert not generic_utils.has_arg(lambda x, /: x, "x")


def test_list_helpers():
    assert generic_utils.to_list(3) == [3]
    assert generic_utils.to_list((1, 2)) == [(1, 2)]
    assert generic_utils.to_list((1, 2), allow_tuple=True) == [1, 2]
    same = [1]
    assert generic_utils.to_list(same) is same
    assert generic_utils.unpack_singleton([5]) == 5
    assert generic_utils.unpack_singleton([5, 6]) == [5, 6]
    assert generic_utils.is_all_none([None, None])
    assert generic_utils.is_all_none(None)
    assert not generic_utils.is_all_none((None, 0))
    a, b = object(), object()
    assert generic_utils.object_list_uid([a, b]) == generic_utils.object_list_uid([a, b])
    assert generic_utils.object_list_uid([a, b]) != generic_utils.object_list_uid([b, a])


def test_slice_arrays():
    a, b = np.arange(6), np.arange(6) * 10
    assert [x.tolist() for x in generic_utils.slice_arrays([a, b], 1, 3)] == [[1, 2], [10, 20]]
    assert [x.tolist() for x in generic_utils.slice_arrays([a, b], np.array([4, 0]))] == [[4, 0], [40, 0]]
    assert generic_utils.slice_arrays([a, None], 0, 1)[1] is None
    assert generic_utils.slice_arrays(a, [5]).tolist() == [5]
    assert generic_utils.slice_arrays(None) == [None]


def test_transpose_shape():
    shape = (None, 5, 6, 3)
    assert generic_utils.transpose_shape(shape, "channels_last", (1, 2)) == shape
    assert generic_utils.transpose_shape(shape, "channels_first", (1, 2)) == (None, 3, 5, 6)
    with pytest.raises(ArgumentError, match="channels"):
        generic_utils.transpose_shape(shape, "first", (1, 2))


def test_unexpected_keys():
    generic_utils.check_for_unexpected_keys("loss", {"a": 1}, ["a", "b"])
    with pytest.raises(ValueError, match=r"Unknown entries in loss dictionary: \['c'\]"):
        generic_utils.check_for_unexpected_keys("loss", {"a": 1, "c": 2}, ["a", "b"])


@pytest.mark.parametrize(("answers", "expected"), [(["y"], True), (["N"], False), (["what", "y"], True)])
def test_overwrite_question(monkeypatch, capsys, answers, expected):
    given = iter(answers)
    monkeypatch.setattr(builtins, "input", lambda prompt: next(given))
    assert io_utils.ask_to_proceed_with_overwrite("model.h5") is expected


class Weight:
    """As much of a variable as counting needs."""

    def __init__(self, *shape):
        self._keras_shape = shape


class Node:
    def __init__(self, *sources, tensors=()):
        self.inbound_layers = list(sources)
        self.node_indices = self.tensor_indices = [0] * len(sources)
        self.input_tensors = list(tensors)


class Layer:
    def __init__(self, name, shape, count, *nodes):
        self.name, self._count, self._inbound_nodes = name, count, list(nodes)
        if shape:
            self.output_shape = shape

    def count_params(self):
        return self._count


class Model:
    _is_graph_network = True

    def __init__(self, layers, by_depth, trainable, frozen=()):
        self.layers, self._nodes_by_depth = layers, by_depth
        self.trainable_weights, self.non_trainable_weights = list(trainable), list(frozen)


def lines_of(model, **options):
    lines = []
    layer_utils.print_summary(model, print_fn=lines.append, **options)
    return lines


class TestSummary:
    """The layout that Keras 2.2.4 prints; checked against its documentation's examples."""

    def chain(self):
        start, first = Node(), None
        first = Layer("dense_1", (None, 32), 25120, start)
        link = Node(first)
        second = Layer("a_layer_with_a_very_long_name", (None, 10), 330, link)
        weights = [Weight(784, 32), Weight(32), Weight(32, 10), Weight(10)]
        return Model([first, second], {1: [start], 0: [link]}, weights, [Weight(5)])

    def test_chain(self):
        rule = "_" * 65
        assert lines_of(self.chain()) == [
            rule,
            "Layer (type)                 Output Shape              Param #   ",
            "=" * 65,
            "dense_1 (Layer)              (None, 32)                25120     ",
            rule,
            "a_layer_with_a_very_long_nam (None, 10)                330       ",
            "=" * 65,
            "Total params: 25,455",
            "Trainable params: 25,450",
            "Non-trainable params: 5",
            rule]

    def test_network(self):
        a, b = Node(), Node()
        one, two = Layer("input_1", (None, 4), 0, a), Layer("input_2", (None, 4), 0, b)
        join = Node(one, two)
        merged = Layer("concatenate_1", None, 0, join)
        rule = "_" * 98
        lines = lines_of(Model([one, two, merged], {1: [a, b], 0: [join]}, []))
        assert lines[:3] == [rule, "Layer (type)                    Output Shape         Param #     "
                                   "Connected to                     ", "=" * 98]
        assert lines[3].rstrip() == "input_1 (Layer)                 (None, 4)            0"
        assert lines[7].rstrip() == "concatenate_1 (Layer)           multiple             0           input_1[0][0]"
        assert lines[8] == " " * 65 + "input_2[0][0]" + " " * 20
        assert lines[9] == "=" * 98

    def test_width(self):
        lines = lines_of(self.chain(), line_length=40, positions=[20, 32, 40])
        assert lines[3] == "dense_1 (Layer)     (None, 32)  25120   "
        assert lines[0] == "_" * 40

    def test_default_prints(self, capsys):
        layer_utils.print_summary(self.chain())
        assert capsys.readouterr().out.startswith("_" * 65 + "\nLayer (type)")


def test_source_inputs():
    class Symbol:
        pass

    x, y, h, z = Symbol(), Symbol(), Symbol(), Symbol()
    one, two = Layer("a", None, 0, Node(tensors=[x])), Layer("b", None, 0, Node(tensors=[y]))
    dense = Layer("dense", None, 0, Node(one, tensors=[x]))
    join = Layer("join", None, 0, Node(dense, two, one, tensors=[h, y, x]))
    for tensor, layer in ((x, one), (y, two), (h, dense), (z, join)):
        tensor._keras_history = (layer, 0, 0)
    assert layer_utils.get_source_inputs(z) == [x, y]
    plain = Symbol()
    assert layer_utils.get_source_inputs(plain) == [plain]


def test_sources_of_a_tensor_that_many_ways_lead_to():
    from graphc.frontend_keras import layers

    first, second = layers.Input((2,)), layers.Input((2,))
    x = layers.add([second, first])
    for _ in range(100):  # 2 ** 100 ways
        x = layers.add([x, x])
    assert layer_utils.get_source_inputs(x) == [second, first]
