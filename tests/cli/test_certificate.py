"""`graphc check --certificate`: its figures against closed forms, its bytes, its schema, what it refuses."""

import hashlib
import io
import json
import math
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from graphc.cli import measure
from graphc.cli.certificate import FORMAT
from graphc.cli.conditioning import FACTORS, PICKS, conditions_of
from graphc.cli.provenance import document_hash
from graphc.cli.sites import opened, sites_of
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import LSTM, BatchNormalization, Dense, Embedding, Input
from graphc.frontend_keras.models import Model, Sequential
from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse
from graphc.ir.spec import op_spec, registered_ops
from tests.cli.conftest import MLP

CANCEL = """graph cancel(%x: f32[], %y: f32[]) {
  %a = add(%x, %y)       # big
  %b = subtract(%a, %x)  # small
  %c = exp(%b)           # last
  return %c
}
"""
LOOP = """graph loop(%s: f32[2], %x: f32[T,2], %w: f32[2]) {
  %end, %all = scan(%s, %x, %w){body=graph step(%c: f32[2], %i: f32[2], %k: f32[2]) {
    %m = multiply(%c, %k)
    %n = add(%m, %i)
    return %n, %n
  }, carried=1, least=1, length=T, reverse=REVERSE, sliced=1}
  return %end, %all
}
"""


@pytest.fixture
def certify(graphc, tmp_path):
    """certify(text or path, arrays, *options) writes a certificate and gives (status, document)."""
    def run(model, arrays=None, *options):
        if isinstance(model, str):
            (tmp_path / "model.graph").write_text(model)
            model = tmp_path / "model.graph"
        if arrays is not None:
            np.savez(tmp_path / "inputs.npz", *arrays)
            options = ("--inputs", tmp_path / "inputs.npz", *options)
        result = graphc("check", model, "--certificate", tmp_path / "c.json", *options)
        assert result.err == ""
        return result.status, json.loads((tmp_path / "c.json").read_text())

    return run


def by_value(document):
    return {entry["value"]: entry for entry in document["values"]}


# ---- figures in closed form


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_cancellation_is_named_and_told_from_an_own_error(certify, target):
    """In float32 1e8 + 1 is 1e8: an error of 1 in 100000001, which the subtraction makes one of 1 in 1."""
    status, document = certify(CANCEL, [np.float32(1e8), np.float32(1)], "--target", target)
    values = by_value(document)
    assert status == 0
    assert values["a"]["own"] == {"relative": 1 / 100000001, "ulp": 1 / 8,
                                  "worst": {"at": [], "found": 1e8, "exact": 100000001.0}}
    assert values["b"]["own"] == {"relative": 0.0, "ulp": 0.0, "worst": None}
    assert values["b"]["accumulated"] == {"relative": 1.0, "ulp": 2.0**23}
    assert values["b"]["condition"]["max"] == 200000001.0
    assert values["b"]["condition"]["bits"] == math.log2(200000001.0)
    assert values["c"]["accumulated"]["relative"] == pytest.approx(1 - 1 / math.e, rel=1e-12)
    assert [values[name].get("cause") for name in "abc"] == [None, "amplification", "inherited"]
    assert (document["first_diverged"]["value"], document["first_diverged"]["layer"]) == ("b", "small")
    assert document["first_beyond_tolerance"] is None


def test_small_elements_that_become_large_are_told_from_amplification(certify):
    """0.1 is off by 0.0004 beside 20000, which is little until both are divided by what they should be."""
    text = """graph g(%x: f32[2], %y: f32[2], %z: f32[2], %w: f32[2]) {
  %a = add(%x, %y)
  %b = subtract(%a, %z)
  %c = divide(%b, %w)
  return %c
}
"""
    arrays = [np.array(two, np.float32) for two in ([1e4, 1e4], [1e4, 0.1], [0, 1e4], [2e4, 0.1])]
    _, document = certify(text, arrays, "--target", "reference")
    values = by_value(document)
    off = abs(float(np.float32(1e4 + float(np.float32(0.1)))) - 1e4 - float(np.float32(0.1)))
    assert values["b"]["accumulated"]["relative"] == pytest.approx(off / 2e4, rel=1e-9)
    assert values["c"]["accumulated"]["relative"] == pytest.approx(off / float(arrays[3][1]), abs=2**-23)
    assert [values[name].get("cause") for name in "abc"] == [None, None, "scaling"]


def test_rounding_of_a_constant_and_of_one_addition(certify):
    text = "graph g(%x: f32[]) {\n  %t = full{value=0.1, shape=(), dtype=f32}\n  %s = add(%x, %t)\n  return %s\n}\n"
    _, document = certify(text, [np.float32(0.2)])
    values, tenth, fifth = by_value(document), float(np.float32(0.1)), float(np.float32(0.2))
    assert values["t"]["own"]["relative"] == (tenth - 0.1) / 0.1
    assert values["t"]["condition"] is None
    assert values["s"]["own"]["relative"] == abs(float(np.float32(fifth + tenth)) - (fifth + tenth)) / (fifth + tenth)
    assert values["s"]["accumulated"]["relative"] == pytest.approx(
        abs(float(np.float32(fifth + tenth)) - (fifth + 0.1)) / (fifth + 0.1), rel=1e-12)


X = np.array([-3, 0.5, 2, 7], np.float64)
Y = np.array([1, -0.25, 5, -6.5], np.float64)
CONDITIONS = {  # |x df/dx| + |y df/dy| over |f|, by hand
    "exp(%x)": np.abs(X), "log(%z)": 1 / np.abs(np.log(np.abs(X))), "sqrt(%z)": np.full(4, 0.5),
    "tanh(%x)": np.abs(X) * (1 - np.tanh(X)**2) / np.abs(np.tanh(X)), "square(%x)": np.full(4, 2.0),
    "multiply(%x, %y)": np.full(4, 2.0), "divide(%x, %y)": np.full(4, 2.0), "negative(%x)": np.ones(4),
    "add(%x, %y)": (np.abs(X) + np.abs(Y)) / np.abs(X + Y),
    "subtract(%x, %y)": (np.abs(X) + np.abs(Y)) / np.abs(X - Y), "sin(%x)": np.abs(X / np.tan(X)),
    "maximum(%x, %y)": np.ones(4), "relu(%x)": np.ones(3), "floor(%x)": np.zeros(3), "sign(%x)": np.zeros(4),
    "reduce_sum(%x){axes=(0,)}": np.array([12.5 / 6.5]), "reduce_mean(%x){axes=(0,)}": np.array([12.5 / 6.5]),
    "cumsum(%x){axis=0}": np.array([1, 3.5 / 2.5, 5.5 / 0.5, 12.5 / 6.5]), "reverse(%x){axes=(0,)}": np.ones(4),
    "reduce_max(%x){axes=(0,)}": np.ones(1)}


@pytest.mark.parametrize("text", CONDITIONS)
def test_condition_numbers(text):
    graph = parse(f"graph g(%x: f32[4], %y: f32[4]) {{ %z = absolute(%x) %r = {text} return %r }}")
    (*_, site) = sites_of(opened(graph), *[evaluate(graph, [X, Y], float64=True, every=True)] * 2)
    (found,) = conditions_of(site, {})
    assert found.max == pytest.approx(CONDITIONS[text].max(), rel=1e-12)
    assert found.median == pytest.approx(np.median(CONDITIONS[text]), rel=1e-12)
    assert found.elements == len(CONDITIONS[text])


def test_a_product_of_matrices_is_conditioned_by_its_terms():
    graph = parse("graph g(%x: f32[1,4], %y: f32[4,1]) { %r = matmul(%x, %y) return %r }")
    (site,) = sites_of(opened(graph), *[evaluate(graph, [X[None], Y[:, None]], float64=True, every=True)] * 2)
    assert conditions_of(site, {})[0].max == pytest.approx(2 * np.abs(X * Y).sum() / abs((X * Y).sum()), rel=1e-12)


def test_perturbation_stays_below_the_true_condition_of_a_softmax():
    """dy_i/dx_j = y_i (1[i=j] - y_j)."""
    graph = parse("graph g(%x: f32[4]) { %r = softmax(%x){axis=0} return %r }")
    (site,) = sites_of(opened(graph), *[evaluate(graph, [X], float64=True, every=True)] * 2)
    y = np.exp(X) / np.exp(X).sum()
    exact = (np.abs(X) * np.abs(np.eye(4) - y)).sum(1)
    (found,) = conditions_of(site, {})
    assert 0.5 * exact.max() < found.max < exact.max() * (1 + 1e-4)


def test_the_tables_of_conditioning_name_ops():
    assert {*FACTORS, *PICKS} <= registered_ops()


def test_overflow_underflow_and_special_values_are_counted(certify):
    text = "graph g(%x: f32[6]) {\n  %y = multiply(%x, %x)\n  return %y\n}\n"
    x = np.array([1e30, 1e-21, 1e-30, 0, np.nan, np.inf], np.float32)
    _, document = certify(text, [x])
    entry = by_value(document)["y"]
    assert entry["special"] == {"nan": [1, 1], "infinite": [2, 1], "zero": [2, 1], "denormal": [1, 2]}
    assert (entry["overflow"], entry["underflow"]) == (1, 2)
    assert document["summary"]["overflow"] == 1


# ---- a wrong kernel


@pytest.fixture
def wrong():
    """wrong(op, expression) makes the native kernels of an elementwise op compute another expression."""
    spoiled = []

    def spoil(name, expression):
        spec = op_spec(name)
        spoiled.append((spec, spec.scalar))
        object.__setattr__(spec, "scalar", expression)

    yield spoil
    for spec, scalar in spoiled:
        object.__setattr__(spec, "scalar", scalar)


def test_a_wrong_kernel_is_the_first_value_that_diverges(certify, wrong):
    text = """graph g(%x: f32[3]) {
  %a = exp(%x)                     # before
  %b = tanh(%a)                    # here
  %c = multiply(%b, %b)            # behind
  return %c
}
"""
    x = np.array([0.1, 0.2, 0.3], np.float32)
    wrong("tanh", "sin({0})")
    status, document = certify(text, [x])
    values = by_value(document)
    assert status == 1
    assert document["verdict"] == "beyond tolerance"
    for key in ("first_beyond_tolerance", "first_diverged"):
        assert (document[key]["value"], document[key]["layer"]) == ("b", "here")
    assert document["first_diverged"]["cause"] == "own error"
    off, exact = np.sin(np.exp(x.astype(float))) - np.tanh(np.exp(x.astype(float))), np.tanh(np.exp(0.3))
    assert document["first_diverged"]["own"]["relative"] == pytest.approx(np.abs(off).max() / exact, rel=1e-5)
    assert (values["c"]["passed"], values["c"]["cause"]) == (True, "inherited")


def test_a_wrong_kernel_inside_of_a_loop_is_named(certify, wrong):
    text = LOOP.replace("REVERSE", "false").replace("add(%m, %i)", "tanh(%m)")
    wrong("tanh", "sin({0})")
    status, document = certify(text)
    assert status == 1
    assert document["first_beyond_tolerance"]["value"] == "end/n"
    assert by_value(document)["end/m"]["passed"]


# ---- loops


@pytest.mark.parametrize("reverse", ["false", "true"])
@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_values_inside_of_a_loop(certify, reverse, target):
    rng = np.random.default_rng(1)
    start, x, w = (rng.standard_normal(s).astype(np.float32) for s in ((2,), (5, 2), (2,)))
    _, document = certify(LOOP.replace("REVERSE", reverse), [start, x, w], "--target", target)
    values = by_value(document)
    assert list(values)[:4] == ["end/m", "end/n", "end", "all"]
    assert (values["end/m"]["steps"], values["end/m"]["shape"], values["end"]["steps"]) == ([5], [2], [])
    carried, products, exact, largest, own = start, [], start.astype(np.float64), 0.0, 0.0
    for row in x[::-1] if reverse == "true" else x:
        products.append(carried * w)  # float32: the target rounds the product, then the sum
        own = max(own, np.abs(products[-1] - carried.astype(np.float64) * w).max())
        largest = max(largest, np.abs(carried.astype(np.float64) * w).max())
        exact = exact * w + row
        carried = products[-1] + row
    assert values["end/m"]["own"]["relative"] == pytest.approx(own / largest, rel=1e-12)
    assert values["end"]["accumulated"]["relative"] == np.abs(carried - exact).max() / np.abs(exact).max()


def test_a_loop_in_a_loop():
    inner = LOOP.replace("REVERSE", "false").split("{", 1)[1].rsplit("  return", 1)[0].strip()
    graph = parse("""graph g(%s: f32[2], %x: f32[3,T,2], %w: f32[2]) {
  %last = scan(%s, %x, %w){body=graph outer(%s: f32[2], %x: f32[T,2], %w: f32[2]) {
    """ + inner + """
    return %end
  }, carried=1, least=1, length=3, reverse=true, sliced=1}
  return %last
}""")
    x = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    runs = measure.run(graph, [np.ones(2, np.float32), x, np.full(2, 0.5, np.float32)], "cpu")
    found = {name: array for site in runs.sites for name, array in zip(site.names, site.found, strict=True)}
    assert [site.steps for site in runs.sites] == [(3, 2), (3, 2), (3,), ()]
    state, sums = np.ones(2, np.float32), np.zeros((3, 2, 2), np.float32)
    for row in (2, 1, 0):
        for step in (0, 1):
            state = state * np.float32(0.5) + x[row, step]
            sums[row, step] = state
    assert np.array_equal(found["last/end/n"], sums)
    assert np.array_equal(found["last"], state)


# ---- gradients


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two files: a compiled network with an embedding, and one without a loss."""
    folder = tmp_path_factory.mktemp("models")
    K.clear_session()
    np.random.seed(0)
    words, numbers = Input((6,), name="words"), Input((3,), name="numbers")
    both = Model([words, numbers], Dense(1, name="end")(LSTM(3, name="lstm")(Embedding(9, 4, name="table")(words))))
    both.compile("adam", "mse")
    both.save(folder / "compiled.h5")
    plain = Sequential([Dense(4, input_dim=3, name="a"), BatchNormalization(name="bn"),
                        Dense(3, activation="softmax", name="b")])
    plain.save(folder / "plain.h5")
    return folder


def roles(document):
    return [output["role"].split("_")[0] for output in document["outputs"]]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_gradients_of_the_loss_of_a_compiled_model(certify, models):
    status, document = certify(models / "compiled.h5", None, "--target", "reference")
    assert status == 0
    assert document["subject"]["gradients_of"] == "the loss"
    assert roles(document) == ["output", "loss", *["gradient by table", "gradient by lstm", "gradient by lstm",
                                                   "gradient by lstm", "gradient by end", "gradient by end"]]
    assert document["summary"]["gradients"] == 6
    _, document = certify(models / "compiled.h5", None, "--train", "--target", "reference")
    assert document["subject"]["gradients_of"] == "the loss of the training step"
    assert roles(document).count("gradient by lstm") == 3
    assert any(role.startswith("new value of") for role in roles(document))


def test_gradients_of_a_projection_are_those_of_float64(certify, models):
    """Every gradient in the document is near the exact one, and those that are there are by inputs and weights."""
    status, document = certify(models / "plain.h5", None, "--target", "reference")
    assert status == 0
    assert document["subject"]["gradients_of"].startswith("the sum of all float outputs")
    assert sum(role.startswith("gradient") for role in roles(document)) == 1 + 2 + 4 + 2
    assert document["summary"]["worst_output"]["accumulated"]["relative"] < 1e-5


def test_what_has_no_gradient_is_said(certify):
    text = "graph g(%x: f32[3,2], %y: f32[2,3]) {\n  %z = split_matmul(%x, %y){parts=1}\n  return %z\n}\n"
    status, document = certify(text, None, "--target", "reference")
    assert status == 0
    assert document["subject"]["gradients_of"] == "none: split_matmul has no gradient"
    assert roles(document) == ["output"]


def test_a_value_that_is_zero_but_for_rounding_has_not_diverged(certify):
    """The sum over a softmax's gradient for equal cotangents is 0 in exact arithmetic."""
    text = """graph g(%x: f32[5]) {
  %y = softmax(%x){axis=0}
  %s = reduce_sum(%y){axes=(0,)}
  %one = full{value=1.0, shape=(), dtype=f32}
  %zero = subtract(%s, %one)
  %again = negative(%zero)
  return %again
}
"""
    _, document = certify(text, [np.array([0.3, -1.2, 0.7, 2.2, 0.1], np.float32)], "--target", "reference")
    assert [by_value(document)[name].get("cause") for name in ("zero", "again")] == ["zero", "zero"]
    assert document["first_diverged"] is None
    assert document["summary"]["zero"] >= 2


# ---- the document


def test_hashes_can_be_made_again(graphc, certify, mlp):
    _, document = certify(mlp)
    subject = document["subject"]
    assert subject["file_sha256"] == hashlib.sha256(mlp.read_bytes()).hexdigest()
    assert subject["graph_sha256"] == hashlib.sha256(graphc("dump-ir", mlp).out.encode()).hexdigest()
    x = np.random.default_rng(0).standard_normal((4, 6)).astype("<f4")
    assert document["inputs"][0]["sha256"] == hashlib.sha256(x.tobytes()).hexdigest()
    lines = "".join(f"{array['sha256']}\n" for array in document["inputs"])
    assert subject["inputs_sha256"] == hashlib.sha256(lines.encode()).hexdigest()
    body = {k: v for k, v in document.items() if k not in ("format", "version", "digest", "rules", "run")}
    assert document["digest"] == document_hash(body)


NUMBER = (int, float, str)
DISTANCE = {"relative": NUMBER, "ulp": NUMBER}
WORST = {"at": list, "found": NUMBER, "exact": NUMBER}
SPECIAL = {"nan": list, "infinite": list, "zero": list, "denormal": list}
CONDITION = {"method": str, "max": NUMBER, "median": NUMBER, "elements": int, "terms": NUMBER, "bits": NUMBER}
COUNTS = {"overflow": int, "underflow": int}
VALUE = {"value": str, "op": str, "layer": str, "type": str, "steps": list, "shape": list, "passed": bool,
         "own": {**DISTANCE, "worst": (WORST, None)}, "accumulated": DISTANCE, "tolerance": NUMBER,
         "tolerance_from": str, "condition": (CONDITION, None), "special": (SPECIAL, None), **COUNTS}
OUTPUT = {"output": int, "role": str, "value": str, "layer": str, "type": str, "shape": list, "passed": bool,
          "accumulated": {**DISTANCE, "worst": (WORST, None)}, "tolerance": NUMBER, "tolerance_from": str,
          "special": (SPECIAL, None), **COUNTS}
ARRAY = {"name": str, "type": str, "shape": list, "sha256": str}
SCHEMA = {
    "format": str, "version": int, "digest": str,
    "subject": {"file": str, "file_sha256": str, "optimizer": (str, None), "graph": str, "graph_sha256": str,
                "weights_sha256": str, "inputs_sha256": str, "measured_graph_sha256": str, "gradients_of": str},
    "settings": {"target": str, "precision": str, "convolution": str, "train": bool, "optimizer": (str, None),
                 "loss": (str, None), "seed": int, "batch": (int, None), "tolerance": (float, None), "inputs": str,
                 "diverged": float},
    "environment": {"graphc": str, "python": str, "numpy": str, "numba": str, "llvmlite": str, "h5py": str,
                    "platform": str, "cpu": {"model": str, "llvm_name": str, "vector_bytes": int, "l1_bytes": int,
                                             "l2_bytes": int, "features": str}},
    "rules": dict, "inputs": [ARRAY], "weights": [ARRAY], "values": [VALUE], "outputs": [OUTPUT],
    "first_beyond_tolerance": None, "first_diverged": None,
    "summary": {"values": int, "outputs": int, "gradients": int, "beyond_tolerance": int, "exact": int,
                "within_half_ulp": int, "diverged": int, "zero": int, **COUNTS, "worst_own": dict,
                "worst_accumulated": dict, "worst_output": dict, "worst_condition": dict},
    "verdict": str, "run": {"threads": int}}


def misfit(content, schema, where=""):
    """Where a document does not fit its schema; None where it does."""
    if isinstance(schema, tuple) and not all(isinstance(one, type) for one in schema):
        return None if any(misfit(content, one, where) is None for one in schema) else where
    if isinstance(schema, dict):
        if not isinstance(content, dict) or list(content) != list(schema):
            return f"{where}: {list(content) if isinstance(content, dict) else content} instead of {list(schema)}"
        return next(filter(None, (misfit(content[k], s, f"{where}.{k}") for k, s in schema.items())), None)
    if isinstance(schema, list):
        return next(filter(None, (misfit(c, schema[0], f"{where}[{i}]") for i, c in enumerate(content))), None)
    fits = content is None if schema is None else isinstance(content, schema) and (
        not isinstance(content, bool) or schema is bool)
    return None if fits else f"{where}: {content!r}"


def test_the_schema(certify, models):
    _, document = certify(models / "plain.h5", None, "--target", "reference")
    assert misfit(document, SCHEMA) is None
    assert (document["format"], document["version"]) == (FORMAT, 1)


MANY = """graph many(%x: f32[B,300], %w: f32[300,200], %s: f32[B,T,200]) {
  %h = matmul(%x, %w)
  %e = reduce_sum(%s){axes=(1,)}
  %y = add(%h, %e)
  %z = softmax(%y){axis=1}
  return %z
}
"""


def test_the_bytes_are_the_same_in_every_process(tmp_path):
    (tmp_path / "many.graph").write_text(MANY)
    texts = []
    for number, threads in enumerate("12"):
        path = tmp_path / f"{number}.json"
        environment = {**os.environ, "PYTHONHASHSEED": str(number), "GRAPHC_NUM_THREADS": threads,
                       "OPENBLAS_NUM_THREADS": threads}
        subprocess.run([sys.executable, "-m", "graphc", "check", str(tmp_path / "many.graph"), "--batch", "40",
                        "--certificate", str(path)], env=environment, check=True, capture_output=True)
        texts.append(path.read_text())
    threads = os.cpu_count() or 1
    assert texts[0].replace('"threads": 1', f'"threads": {min(2, threads)}') == texts[1]


def test_numbers_read_back_exactly(certify):
    _, document = certify(MLP)
    for entry in document["values"]:
        relative = entry["own"]["relative"]
        assert relative == 0 or float(repr(relative)) == relative
        if entry["own"]["worst"]:
            found, exact = entry["own"]["worst"]["found"], entry["own"]["worst"]["exact"]
            assert found == float(np.float32(found))
            assert abs(found - exact) > 0


def test_nothing_is_written_where_the_model_cannot_be_read(graphc, tmp_path):
    (tmp_path / "model.graph").write_text("graph g(%x: f32[3]) {")
    assert graphc("check", tmp_path / "model.graph", "--certificate", tmp_path / "c.json").status == 2
    assert [path.name for path in tmp_path.iterdir()] == ["model.graph"]


def test_the_terminal_says_it_in_short(graphc, tmp_path):
    (tmp_path / "m.graph").write_text(CANCEL)
    np.savez(tmp_path / "i.npz", x=np.float32(1e8), y=np.float32(1))
    out = graphc("check", tmp_path / "m.graph", "--inputs", tmp_path / "i.npz", "--certificate", tmp_path / "c.json").out
    assert f"certificate {tmp_path / 'c.json'}: within tolerance; 2 gradients of the sum of all float outputs" in out
    assert ("first value further than 0.0001 from float64: %b = subtract, layer small: it magnifies errors of its "
            "operands more than 4 times, condition 2e+08\n") in out


# ---- verifying


def test_a_certificate_holds_or_says_what_is_different(graphc, certify, mlp, tmp_path):
    certify(mlp, None, "--seed", 3, "--batch", 2)
    path = tmp_path / "c.json"
    holds = graphc("check", mlp, "--verify-certificate", path)
    assert (holds.status, holds.err) == (0, "")
    assert holds.out.startswith(f"certificate {path}: holds; ")
    mlp.write_text(MLP.replace("softmax(", "log_softmax("))
    status, out, _ = graphc("check", mlp, "--verify-certificate", path)
    assert status == 1
    assert "does not hold\n" in out
    assert "values[a].op: 'softmax' then, 'log_softmax' now" in out


def test_a_changed_certificate_is_found_out(graphc, certify, mlp, tmp_path):
    _, document = certify(mlp)
    document["values"][0]["own"]["relative"] = 0.0
    (tmp_path / "c.json").write_text(json.dumps(document))
    status, out, _ = graphc("check", mlp, "--verify-certificate", tmp_path / "c.json")
    assert status == 1
    assert "its digest is not that of its content" in out
    assert "values[h].own.relative" in out


def test_another_environment_is_said_and_no_failure(graphc, certify, mlp, tmp_path):
    _, document = certify(mlp)
    document["environment"]["numpy"] = "1.0"
    body = {k: v for k, v in document.items() if k not in ("format", "version", "digest", "rules", "run")}
    (tmp_path / "c.json").write_text(json.dumps({**document, "digest": document_hash(body)}))
    status, out, _ = graphc("check", mlp, "--verify-certificate", tmp_path / "c.json")
    assert status == 0
    assert "made with another environment.numpy: '1.0' then, " in out


@pytest.mark.parametrize("change", [
    lambda d: [], lambda d: {**d, "format": "x"}, lambda d: {**d, "version": 2}, lambda d: {**d, "settings": 3},
    lambda d: {**d, "settings": {**d["settings"], "target": "os"}}, lambda d: {**d, "settings": {**d["settings"], "seed": -1}},
    lambda d: {**d, "settings": {**d["settings"], "batch": 1e9}}, lambda d: {**d, "settings": {**d["settings"], "tolerance": "x"}},
    lambda d: {**d, "settings": {**d["settings"], "inputs": "given"}}])
def test_what_is_no_certificate_is_one_line(graphc, certify, mlp, tmp_path, change):
    _, document = certify(mlp)
    (tmp_path / "c.json").write_text(json.dumps(change(document)))
    status, out, err = graphc("check", mlp, "--verify-certificate", tmp_path / "c.json")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "internal" not in err


# ---- files of inputs


def test_inputs_by_name_by_number_and_in_part(graphc, mlp, tmp_path):
    x, w, b = np.ones((2, 6), np.float32), np.zeros((6, 3)), np.arange(3)
    for arrays in ({"x": x, "w": w, "b": b}, {"arr_0": x, "arr_1": w, "arr_2": b}, {"x2": b, "x0": x, "x1": w},
                   {"b": b, "x": np.asfortranarray(x), "w": w.astype(">f8")}):
        np.savez_compressed(tmp_path / "i.npz", **arrays)
        _, out, err = graphc("check", mlp, "--inputs", tmp_path / "i.npz", "--certificate", tmp_path / "c.json")
        assert err == ""
        document = json.loads((tmp_path / "c.json").read_text())
        hashes = [hashlib.sha256(a.astype("<f4").tobytes()).hexdigest() for a in (x, w, b)]
        assert [a["sha256"] for a in document["inputs"][:3]] == hashes
    np.savez(tmp_path / "i.npz", x=np.ones((7, 6), np.float32))
    graphc("check", mlp, "--inputs", tmp_path / "i.npz", "--certificate", tmp_path / "c.json")
    assert json.loads((tmp_path / "c.json").read_text())["inputs"][0]["shape"] == [7, 6]


def npy(array, **options):
    out = io.BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def header(text, version=b"\x01\x00"):
    text = text.encode() + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2 if version[0] == 1 else 4, "little") + text


GOOD = npy(np.ones((2, 6), np.float32))
HOSTILE = {
    "objects": {"x.npy": npy(np.array([[{}] * 6], object), allow_pickle=True)},
    "records": {"x.npy": npy(np.zeros((2, 6), "f4,f4"))}, "text": {"x.npy": npy(np.full((2, 6), "a"))},
    "complex": {"x.npy": npy(np.ones((2, 6), complex))}, "rank": {"x.npy": npy(np.ones(6))},
    "shape": {"x.npy": npy(np.ones((2, 7)))}, "cut off": {"x.npy": GOOD[:-5]}, "more": {"x.npy": GOOD + b"1234"},
    "no header": {"x.npy": b"12"}, "name": {"y.npy": GOOD}, "no ending": {"x": GOOD}, "nothing": {},
    "path": {"../x.npy": GOOD}, "number": {"arr_3.npy": GOOD}, "both": {"x.npy": GOOD, "arr_1.npy": GOOD},
    "same": {"arr_0.npy": GOOD, "x0.npy": GOOD},
    "huge": {"x.npy": header("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999, 6)}")},
    "negative": {"x.npy": header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 6)}")},
    "overflow": {"x.npy": header("{'descr': '<f4', 'fortran_order': False, 'shape': (2**62, 6)}")},
    "code": {"x.npy": header("{'descr': '<f4', 'fortran_order': False, 'shape': (__import__('os'), 6)}")},
    "deep": {"x.npy": header("(" * 9000)}, "long header": {"x.npy": header("{'descr': '<f4'}" + " " * 60000)},
    "version": {"x.npy": header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 6)}", b"\x02\x00")},
    "pickle": {"x.npy": b"\x80\x04K\x01."}}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_of_inputs_are_one_line(graphc, mlp, tmp_path, case):
    with zipfile.ZipFile(tmp_path / "i.npz", "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in HOSTILE[case].items():
            file.writestr(name, content)
    status, out, err = graphc("check", mlp, "--inputs", tmp_path / "i.npz")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "internal" not in err
    assert len(err) < 2000


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", GOOD, b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_zip_is_one_line(graphc, mlp, tmp_path, content):
    (tmp_path / "i.npz").write_bytes(content)
    status, _, err = graphc("check", mlp, "--inputs", tmp_path / "i.npz")
    assert (status, err.count("\n")) == (2, 1)
    assert "internal" not in err


def test_numbers_that_an_input_cannot_hold(graphc, tmp_path):
    (tmp_path / "g.graph").write_text("graph g(%i: i32[2]) {\n  %y = add(%i, %i)\n  return %y\n}\n")
    for array, status in ((np.array([1, 2**31 - 1]), 0), (np.array([1, 2**31]), 2), (np.array([1.0, 2.0]), 2),
                          (np.array([True, False]), 0), (np.array([0, 2**64 - 1], np.uint64), 2)):
        np.savez(tmp_path / "i.npz", i=array)
        assert graphc("check", tmp_path / "g.graph", "--inputs", tmp_path / "i.npz").status == status
