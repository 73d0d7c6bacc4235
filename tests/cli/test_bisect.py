"""`graphc bisect A B`: planted differences of every kind are named, and what is equal is called so."""

import json

import h5py
import numpy as np
import pytest

from graphc.cli import bisect as command
from graphc.cli.layers import align, pieces_of_model, same_program
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import (
    LSTM,
    Bidirectional,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    Input,
    Subtract,
    TimeDistributed,
)
from graphc.frontend_keras.models import Model, Sequential
from graphc.ir.parser import parse
from graphc.ir.spec import op_spec
from tests.cli.conftest import MLP

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def network(activation="tanh", units=4, swap=False, rate=0.5, more=False, names=("first", "second", "last")):
    """Two inputs, a shared nested model, a branch, a recurrent layer."""
    np.random.seed(1)
    words, numbers = Input((5,), name="words"), Input((3,), name="numbers")
    inside = Input((6,), name="inside")
    inner = Model(inside, Dense(units, name="deep", activation=activation)(inside), name="inner")
    x = LSTM(6, recurrent_activation="sigmoid", name="lstm")(Embedding(9, 4, name="table")(words))
    y = Dense(6, name=names[0], activation="relu")(numbers)
    y = Dropout(rate, name="drop")(y)
    pair = [inner(x), inner(y)]
    z = Subtract(name="minus")(pair[::-1] if swap else pair)
    if more:
        z = Dense(units, name="extra")(z)
    return Model([words, numbers], [Dense(2, name=names[2])(Dense(3, name=names[1])(z)), y], name="net")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bisect")
    K.clear_session()
    model = network()
    model.save(path / "a.h5")
    model.save(path / "a.keras")
    model.save_weights(path / "weights.h5")
    model.save_weights(path / "a.weights.h5")
    (path / "a.json").write_text(model.to_json())
    (path / "a.yaml").write_text(model.to_yaml())
    return path


@pytest.fixture
def bisect(graphc, folder, tmp_path):
    """bisect(b, *options) compares a.h5 with a file or a model, in NumPy, and gives (status, out, document)."""
    def run(b, *options, a="a.h5", target="reference"):
        if not isinstance(b, str):
            b.save(tmp_path / "b.h5")
            b = tmp_path / "b.h5"
        status, out, err = graphc("bisect", folder / a, folder / b, "--target-a", target, "--target-b", target,
                                  "--json", tmp_path / "r.json", *options)
        assert err == ""
        return status, out, json.loads((tmp_path / "r.json").read_text())

    return run


def changed(change):
    model = network()
    change(model)
    return model


def test_a_model_equals_itself(bisect):
    status, out, document = bisect("a.h5")
    assert (status, document["first"], document["later"], document["notes"]) == (0, None, [], [])
    assert document["within"] == 0
    assert document["equal_before"] == ["table", "first", "lstm", "drop", "inner/deep", "minus", "second", "last"]
    assert out.split("\n")[2].startswith("equal: 8 layers (... lstm, drop, inner/deep, minus, second, last); ")
    assert out.endswith("values equal to the bit\n")


@pytest.mark.parametrize("b", ["a.keras", "a.json", "a.yaml", "weights.h5", "a.weights.h5"])
def test_every_form_of_a_model_is_equal(bisect, b):
    status, out, document = bisect(b)
    assert status == 0, out
    notes = {"a.keras": [], "a.json": ["b: holds no weights and takes those of a"],
             "a.yaml": ["b: holds no weights and takes those of a"]}
    assert document["notes"] == notes.get(b, ["b: holds weights alone and takes the layers of a"])


def test_the_order_of_the_files_does_not_matter(bisect):
    assert bisect("a.h5", a="a.json")[0] == 0
    assert bisect("a.h5", a="weights.h5")[2]["notes"] == ["a: holds weights alone and takes the layers of b"]
    status, _, document = bisect("a.yaml", a="a.json")
    assert (status, document["notes"]) == (0, ["b: neither file holds weights: both start from the same"])


# ---- one planted difference


def test_one_number_of_one_weight(bisect):
    def change(model):
        kernel, bias = model.get_layer("second").get_weights()
        kernel[1, 2] += 0.5
        model.get_layer("second").set_weights([kernel, bias])

    status, out, document = bisect(changed(change))
    kernel = network().get_layer("second").get_weights()[0]
    (weight, outputs) = document["first"]["differences"]
    assert status == 1
    assert document["first"]["layer"] == "second"
    assert (weight["weight"], weight["differ"], weight["of"], weight["at"]) == ("kernel", 1, 12, [1, 2])
    assert (weight["a"], weight["b"]) == (kernel[1, 2], kernel[1, 2] + np.float32(0.5))
    assert weight["relative"] == pytest.approx(0.5 / np.abs(kernel).max(), rel=1e-6)
    assert (outputs["what"], outputs["op"], outputs["from_equal_inputs"]) == ("outputs", "matmul", True)
    assert document["equal_before"] == ["table", "first", "lstm", "drop", "inner/deep", "minus"]
    assert [(one["layer"], [d["what"] for d in one["differences"]]) for one in document["later"]] == [("last", ["outputs"])]
    assert not document["later"][0]["differences"][0]["from_equal_inputs"]
    assert "first difference: second (Dense)\n  weights: kernel differs in 1 of 12 numbers, by up to " in out
    assert "behind it 1 more differ: last (outputs)" in out


def test_a_difference_too_small_for_the_outputs(bisect):
    """One unit in the last place: weights must be equal to the bit, outputs need not."""
    def change(model):
        kernel, bias = model.get_layer("last").get_weights()
        kernel[0, 0] = np.nextafter(kernel[0, 0], np.float32(9))
        model.get_layer("last").set_weights([kernel, bias])

    status, _, document = bisect(changed(change))
    assert status == 1
    assert [(d["what"], d.get("weight")) for d in document["first"]["differences"]] == [("weights", "kernel")]
    assert document["later"] == []
    assert 0 < document["within"] < 1e-6


def test_the_sign_of_a_zero(bisect):
    def change(model):
        model.get_layer("first").set_weights([model.get_layer("first").get_weights()[0], np.full(6, -0.0)])

    status, out, document = bisect(changed(change))
    assert (status, document["first"]["layer"]) == (1, "first")
    assert "weights: bias differs in 0 of 6 numbers, in signs of zeros or kinds of NaN" in out


def test_a_configuration_inside_of_a_nested_shared_model(bisect):
    status, out, document = bisect(network(activation="sigmoid"))
    assert (status, document["first"]["layer"]) == (1, "inner/deep")
    assert document["first"]["differences"][0] == {"what": "configuration", "field": "activation", "a": "tanh", "b": "sigmoid"}
    assert document["first"]["differences"][1]["from_equal_inputs"]
    assert document["equal_before"] == ["table", "first", "lstm", "drop"]
    assert "first difference: inner/deep (Dense)\n  configuration: activation is tanh in a, sigmoid in b\n" in out


def test_a_configuration_that_changes_no_prediction(bisect):
    status, _, document = bisect(network(rate=0.25))
    assert status == 1
    assert document["first"] == {"layer": "drop", "kind": "Dropout", "differences": [
        {"what": "configuration", "field": "rate", "a": 0.5, "b": 0.25}]}
    assert document["later"] == []


def test_another_width(bisect):
    status, out, document = bisect(network(units=5))
    words = [(d["what"], d.get("field"), d.get("weight")) for d in document["first"]["differences"]]
    assert status == 1
    assert document["first"]["layer"] == "inner/deep"
    assert words[:3] == [("configuration", "units", None), ("weights", None, "kernel"), ("weights", None, "bias")]
    assert "weights: kernel is float32[6, 4] in a, float32[6, 5] in b" in out
    assert [one["layer"] for one in document["later"]] == ["minus", "second", "last"]


def test_another_order_of_inputs(bisect):
    status, _, document = bisect(network(swap=True))
    assert (status, document["first"]["layer"]) == (1, "minus")
    assert document["first"]["differences"][0] == {"what": "connections", "a": "inner, inner, call 2",
                                                   "b": "inner, call 2, inner"}
    assert document["first"]["differences"][1]["from_equal_inputs"]
    assert [one["layer"] for one in document["later"]] == ["second", "last"]


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_layer_that_only_one_side_has(graphc, folder, tmp_path, side):
    network(more=True).save(tmp_path / "more.h5")
    files = [tmp_path / "more.h5", folder / "a.h5"]
    _, out, _ = graphc("bisect", *(files if side == "a" else files[::-1]), "--json", tmp_path / "r.json",
                       "--target-a", "reference", "--target-b", "reference")
    document = json.loads((tmp_path / "r.json").read_text())
    assert document["first"]["layer"] == "extra"
    assert document["first"]["differences"] == [{"what": "layer", side: "Dense", "b" if side == "a" else "a": "nothing"}]
    assert document["equal_before"][-1] == "minus"
    assert document["later"][0]["layer"] == "second"
    assert document["later"][0]["differences"][0]["what"] == "connections"
    assert ("layer: Dense in a, nothing in b" if side == "a" else "layer: nothing in a, Dense in b") in out


def test_other_names_are_a_note(bisect):
    status, _, document = bisect(network(names=("one", "two", "three")))
    assert status == 0
    assert document["notes"] == ["b has other names: one for first, two for second, three for last"]


def test_other_inputs(bisect):
    model = Sequential([Dense(6, input_dim=3, name="first")])
    status, out, document = bisect(model)
    assert (status, document["first"]["layer"]) == (1, "inputs")
    assert "note: outputs are not compared, as the inputs differ\n" in out
    assert "inputs: i32[B,5], f32[B,3] in a, f32[B,3] in b" in out or "inputs: f32[B,5], f32[B,3] in a" in out


# ---- recurrent and wrapped layers, training


def wrapped(gate="hard_sigmoid", activation="relu"):
    np.random.seed(2)
    x = Input((4, 5), name="x")
    seen = Sequential([Dense(3, activation=activation, input_dim=5, name="eye")], name="sight")
    y = Bidirectional(LSTM(3, recurrent_activation=gate, name="reader"), name="both")(TimeDistributed(seen, name="each")(x))
    return Model(x, Dense(2, name="end")(y), name="wrapped")


@pytest.mark.parametrize(("options", "layer", "field"), [
    ({"gate": "sigmoid"}, "both", "layer.config.recurrent_activation"), ({"activation": "tanh"}, "each/sight/eye", "activation")])
def test_inside_of_wrappers(graphc, tmp_path, options, layer, field):
    wrapped().save(tmp_path / "a.h5")
    wrapped(**options).save(tmp_path / "b.h5")
    status, _, _ = graphc("bisect", tmp_path / "a.h5", tmp_path / "b.h5", "--target-a", "reference", "--target-b",
                          "reference", "--json", tmp_path / "r.json")
    first = json.loads((tmp_path / "r.json").read_text())["first"]
    assert (status, first["layer"], first["differences"][0]["field"]) == (1, layer, field)
    assert first["differences"][-1]["what"] == "outputs"


def trained(loss="mse", optimizer="sgd"):
    np.random.seed(3)
    model = Sequential([Dense(4, activation="tanh", input_dim=3, name="first"), Dense(1, name="last")], name="line")
    model.compile(optimizer, loss)
    return model


def test_the_training_step(graphc, tmp_path):
    trained().save(tmp_path / "a.h5")
    trained("mae").save(tmp_path / "b.h5")
    files = tmp_path / "a.h5", tmp_path / "b.h5"
    plain = ("--target-a", "reference", "--target-b", "reference", "--json", tmp_path / "r.json")
    assert graphc("bisect", *files, *plain).status == 0
    assert graphc("bisect", files[0], files[0], "--train", *plain).status == 0
    assert graphc("bisect", *files, "--train", *plain).status == 1
    assert json.loads((tmp_path / "r.json").read_text())["first"]["layer"] == "loss/last_loss"
    assert graphc("bisect", *files, "--train", "--loss", "mae", *plain).status == 0


# ---- targets


def test_a_wrong_kernel_of_one_target_is_named(graphc, tmp_path):
    path = tmp_path / "g.graph"
    path.write_text("graph g(%x: f32[9]) {\n  %a = square(%x)  # one\n  %b = tanh(%a)  # two\n  return %b\n}\n")
    assert graphc("bisect", path, path, "--target-a", "reference").status == 0
    spec = op_spec("tanh")
    scalar = spec.scalar
    object.__setattr__(spec, "scalar", "sin({0})")
    try:
        status, out, _ = graphc("bisect", path, path, "--target-a", "reference")
    finally:
        object.__setattr__(spec, "scalar", scalar)
    assert status == 1
    assert "equal before it: 1 layer (one); 1 value " in out
    assert "first difference: two\n  outputs: %b (tanh) differs by up to " in out
    assert ", from equal inputs; tolerance 1.0e-04\n" in out


def test_rounding_of_a_value_that_cancels_is_no_difference(graphc, tmp_path):
    """(x + y) - x is far from float64 on every target, and may be elsewhere on each."""
    path = tmp_path / "cancel.graph"
    path.write_text("graph c(%x: f32[64], %y: f32[64]) {\n  %s = softmax(%x){axis=0}\n  %t = reduce_sum(%s){axes=(0,)}\n"
                    "  %one = full{value=1.0, shape=(), dtype=f32}\n  %z = subtract(%t, %one)\n  return %z\n}\n")
    results = [graphc("bisect", path, path, "--target-b", "reference", "--seed", seed) for seed in range(4)]
    assert [result.status for result in results] == [0] * 4
    assert any("1 of them further apart, as rounding in float32 allows" in result.out for result in results)
    assert graphc("bisect", path, path, "--target-b", "reference", "--tolerance", "1e-5").status == 1


# ---- graph text


def test_graphs(graphc, mlp, tmp_path):
    other = tmp_path / "other.graph"
    other.write_text(MLP)
    assert graphc("bisect", mlp, other).status == 0
    other.write_text(MLP.replace("add(%h, %bb) :", "subtract(%h, %bb) :"))
    status, out, _ = graphc("bisect", mlp, other, "--target-a", "reference", "--target-b", "reference")
    assert status == 1
    assert "first difference: dense_1\n  operations: op 2 is add(f32[B,3], f32[B,3]) in a, subtract(" in out


def test_a_model_and_its_own_graph(graphc, folder, tmp_path):
    path = tmp_path / "a.graph"
    path.write_text(graphc("dump-ir", folder / "a.h5").out)
    plain = ("--target-a", "reference", "--target-b", "reference")
    for files in ((folder / "a.h5", path), (path, folder / "a.h5")):
        status, out, err = graphc("bisect", *files, *plain)
        assert (status, err) == (0, ""), out
        assert "values equal to the bit" in out


def test_programs_are_the_same_but_for_names():
    a = parse(MLP)
    b = parse(MLP.replace("%h", "%other").replace("# dense_1/softmax", "# elsewhere"))
    assert same_program(a, b) == dict(zip(
        [*a.inputs, *(op.result for op in a.ops)], [*b.inputs, *(op.result for op in b.ops)], strict=True))
    for change in (("softmax(%z){axis=1}", "softmax(%z){axis=0}"), ("return %a", "return %z"), ("add(%h, %bb)", "add(%bb, %h)")):
        assert same_program(a, parse(MLP.replace(*change))) is None


def test_layers_are_paired_by_name_then_by_order():
    def paths(a, b):
        return [(x and x.path, y and y.path) for x, y in align(pieces_of_model(a), pieces_of_model(b))]

    def chain(*sizes, prefix="d"):
        return Sequential([Dense(size, name=f"{prefix}{number}", input_dim=3) for number, size in sizes])

    same = chain((1, 3), (2, 3), (3, 3))
    assert paths(same, chain((2, 3), (3, 3), (4, 3))) == [("d1", "d2"), ("d2", "d3"), ("d3", "d4")]
    assert paths(same, chain((1, 3), (9, 3), (2, 3), (3, 3))) == [("d1", "d1"), (None, "d9"), ("d2", "d2"), ("d3", "d3")]
    assert paths(same, chain((1, 3), (3, 3))) == [("d1", "d1"), ("d2", None), ("d3", "d3")]
    assert paths(same, chain((1, 3), (7, 3), (3, 3))) == [("d1", "d1"), ("d2", "d7"), ("d3", "d3")]


def test_two_outputs_of_a_branch_keep_their_places():
    x = Input((3,), name="x")
    left, right = Dense(2, name="left")(x), Dense(2, name="right")(x)
    a, b = (Model(x, Concatenate(name="both")(ends)) for ends in ([left, right], [right, left]))
    pairs = [(p and p.path, q and q.path) for p, q in align(pieces_of_model(a), pieces_of_model(b))]
    assert {pair for pair in pairs if pair[0] != pair[1]} == set()


# ---- use


def test_given_inputs(bisect, tmp_path):
    np.savez(tmp_path / "i.npz", words=np.zeros((7, 5), int), numbers=np.full((7, 3), np.nan))
    status, _, document = bisect(network(activation="sigmoid"), "--inputs", tmp_path / "i.npz")
    assert status == 1
    assert document["first"]["differences"][1]["at"][0] < 7


def test_bad_use(graphc, folder, tmp_path):
    (tmp_path / "none.h5").write_text("x")
    for arguments, message in (
            (["-", folder / "a.h5"], "stdin can be read only once"),
            ([folder / "weights.h5", folder / "weights.h5"], "both files hold weights alone"),
            ([folder / "a.h5"], "required: B"), ([folder / "a.h5", tmp_path / "missing.h5"], "No such file"),
            ([folder / "a.h5", tmp_path / "none.h5"], "not an HDF5 file"),
            ([folder / "a.h5", folder / "a.h5", "--tolerance", "-1"], "is not a tolerance"),
            ([folder / "a.h5", folder / "a.h5", "--train"], "a training step needs a loss")):
        status, out, err = graphc("bisect", *arguments)
        assert (status, out) == (2, "")
        assert message in err
        assert err.count("\n") == 1


def test_weights_of_another_model_are_one_line(graphc, folder, tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = np.array([b"x"])
        file.create_group("x").attrs["weight_names"] = np.array([b"k"])
        file["x/k"] = np.zeros(3)
    status, out, err = graphc("bisect", folder / "a.h5", tmp_path / "w.h5")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "internal" not in err


def test_every_difference_has_a_text():
    assert set(command.TEXTS) == {"layer", "class", "connections", "inputs", "configuration", "operations", "weights", "outputs"}


def test_a_fixed_batch_is_one_difference_and_the_rest_goes_on(graphc, tmp_path):
    for name, shape in (("a", {"batch_shape": (6, 3)}), ("b", {"shape": (3,)})):
        np.random.seed(5)
        x = Input(name="x", **shape)
        Model(x, Dense(2, name="end")(x), name="fixed").save(tmp_path / f"{name}.h5")
    for files in (("a.h5", "b.h5"), ("b.h5", "a.h5")):
        status, _, _ = graphc("bisect", *(tmp_path / f for f in files), "--target-a", "reference", "--target-b", "reference",
                              "--json", tmp_path / "r.json")
        document = json.loads((tmp_path / "r.json").read_text())
        assert (status, document["first"]["layer"], document["later"]) == (1, "inputs", [])
        assert (document["values_equal"], document["within"]) == (1, 0)
