"""Graph text: prints, reads back to an equal graph, and errors underline their place."""

import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import graphc.ir
from graphc.errors import ParseError
from graphc.ir.builder import Builder, make_op
from graphc.ir.dims import symbol
from graphc.ir.graph import Graph, Value
from graphc.ir.lexer import MAX_SIZE, escape, unescape
from graphc.ir.parser import parse, parse_all, parse_type
from graphc.ir.printer import print_graph
from graphc.ir.spec import Array, Kind, OpSpec, op_spec
from graphc.ir.types import DTYPES, F32, TensorType
from graphc.ir.verify import verify
from tests.ir.samples import SAMPLES, graph_of

assert graphc.ir
B, T = symbol("B"), symbol("T")
MLP = """graph mlp(%x: f32[B,784], %w: f32[784,10], %b: f32[10]) {
  %h = matmul(%x, %w) : f32[B,10]                           # dense_1
  %bb = broadcast(%b){axes=(1,), shape=(B,10)} : f32[B,10]  # dense_1
  %z = add(%h, %bb) : f32[B,10]                             # dense_1
  %a = relu(%z) : f32[B,10]                                 # dense_1/relu
  return %a
}"""
STEP = """graph step(%w: f32[3], %g: f32[3], %n: i64[]) {
  %rate = full{dtype=f32, shape=(3,), value=0.1} : f32[3]
  %change = multiply(%g, %rate) : f32[3]
  %w1 = subtract(%w, %change) : f32[3]
  %one = full{dtype=i64, shape=(), value=1} : i64[]
  %n1 = add(%n, %one) : i64[]
  return %change, %w1 -> %w, %n1 -> %n, %w1
}"""


def structure(graph):
    """Everything but the names of values: two graphs are equal when these are."""
    number = {value: position for position, value in enumerate(graph.inputs)}
    ops = []
    for op in graph.ops:
        attrs = tuple((n, structure(v) if isinstance(v, Graph) else (type(v), repr(v), v if v == v else None))
                      for n, v in op.attrs)
        types = tuple(v.type for v in op.results)
        ops.append((op.spec, tuple(number[v] for v in op.operands), attrs, types, op.origin))
        for result in op.results:
            number[result] = len(number)
    return graph.name, tuple(v.type for v in graph.inputs), tuple(ops), tuple(number[v] for v in graph.outputs), \
        set(graph.donations)


def assert_reads_back(graph):
    text = print_graph(graph)
    again = parse(text)
    verify(again)
    assert structure(again) == structure(graph)
    assert print_graph(again) == text


@pytest.mark.parametrize("text", [MLP, STEP, "graph empty() {\n  return\n}"])
def test_text_in_its_printed_form_stays_as_it_is(text):
    assert print_graph(parse(text)) == text
    assert_reads_back(parse(text))


def test_types_and_line_ends_are_optional():
    short = "graph mlp(%x:f32[B,784],%w:f32[784,10],%b:f32[10],){%h=matmul(%x,%w) # dense_1\n" \
            "%bb=broadcast(%b){shape=(B,10,),axes=(1,)} # dense_1\n %z = add(%h,%bb)#dense_1\n" \
            "# a comment of its own\n %a=relu(%z)# dense_1/relu\n return %a}"
    assert print_graph(parse(short)) == MLP


def test_several_graphs_in_one_text():
    assert [print_graph(g) for g in parse_all(f"# two graphs\n{MLP}\n\n{STEP}\n")] == [MLP, STEP]
    with pytest.raises(ParseError, match="end of the text"):
        parse(MLP + STEP)


def test_a_type_alone():
    assert parse_type("f32[B,2*T+1,3]") == TensorType(F32, (B, 2 * T + 1, 3))
    assert parse_type(" i64[ ] ") == TensorType(DTYPES["i64"], ())


# names and origins

hostile = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ['"', "\\", "\\n", "\n", "a\nreturn %x\n}", "\x1b[31m",
     "\u202e", "\ud800", " x ", "#", "%x", "}", "\\x20", "\x00", "🙂", "\\U00110000"])


@given(hostile, hostile, hostile)
def test_hostile_names_survive(name, hint, origin):
    b = Builder()
    x = b.input(TensorType(F32, (3,)), hint)
    b.origin = origin
    y = b.emit("relu", x, hint=hint)
    graph = b.graph([y], name)
    text = print_graph(graph)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert len(text.split("\n")) == 4
    assert_reads_back(graph)


@given(hostile)
def test_escaping_is_undone(text):
    assert unescape(escape(text)) == text
    assert escape(text).isprintable()


def test_names_are_unique_and_the_same_each_time():
    b = Builder()
    x = b.input(TensorType(F32, ()), "a")
    values = [b.emit(op, x, hint=hint) for op, hint in [("exp", "a"), ("sin", ""), ("cos", "a_1"), ("tanh", "v1"),
                                                      ("sqrt", "dense_1/kernel:0"), ("log", "a"), ("relu", "%")]]
    text = print_graph(b.graph(values))
    assert text.split("\n")[-2] == "  return %a_1, %v1, %a_1_1, %v1_1, %dense_1_kernel_0, %a_2, %v2"
    assert print_graph(parse(text)) == text


# attributes

ANYTHING = OpSpec("probe", Kind.SOURCE, lambda **attrs: TensorType(F32, ()), lambda **attrs: 0)


def probe(value):
    """A graph whose only op has `value` as an attribute; its rule takes any."""
    op = make_op(ANYTHING, (), {"what": value})
    return Graph("g", (), (op,), op.results)


@pytest.fixture
def probe_op(monkeypatch):
    monkeypatch.setattr("graphc.ir.spec._TABLE", {"probe": ANYTHING, "relu": op_spec("relu")})


dim_values = st.sampled_from([B, -B, 2 * B + 1, (T - 3) // 2 + 1, 3 * ((B * T) // 4) - 1])
plain = (st.integers(-2**63, 2**64 - 1) | st.floats(allow_nan=False) | st.booleans() | hostile | dim_values
         | st.sampled_from(list(DTYPES.values())) | st.none())
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=8)


@given(value=values)
@example(value=-0.0)
@example(value=float("inf"))
@example(value=float("-inf"))
@example(value=5e-324)
@example(value=((0,), (), ((1, 2), (3, 4))))
@example(value=((T - 3) // 2 + 1,))
@pytest.mark.usefixtures("probe_op")
def test_attributes_read_back_exactly(value):
    assert_reads_back(probe(value))
    (again,) = (v for _, v in parse(print_graph(probe(value))).ops[0].attrs)
    assert again == value
    assert repr(again) == repr(value)


@pytest.mark.usefixtures("probe_op")
def test_nan_reads_back():
    assert_reads_back(probe(float("nan")))


@pytest.mark.usefixtures("probe_op")
def test_a_graph_in_a_graph_reads_back():
    b = Builder()
    x = b.input(TensorType(F32, (4,)), "x")
    b.origin = "rnn/step"
    body = b.graph([b.emit("relu", x, hint="y")], "body")
    op = make_op(ANYTHING, (), {"body": body, "reverse": True}, hint="s", origin="rnn")
    graph = Graph("outer", (), (op,), op.results)
    assert print_graph(graph) == """graph outer() {
  %s = probe{body=graph body(%x: f32[4]) {
    %y = relu(%x) : f32[4]  # rnn/step
    return %y
  }, reverse=true} : f32[]  # rnn
  return %s
}"""
    assert_reads_back(graph)


def constant(data):
    b = Builder()
    return b.graph([b.emit("constant", value=Array(data))])


@pytest.mark.parametrize("data", [
    np.array([0.1, -0.0, np.inf, -np.inf, np.nan, 1e-45, 3.4028235e38, 16777216], np.float32),
    np.array([[0.1, 5e-324], [1.7976931348623157e308, 1 / 3]]),
    np.array(7.25, np.float32), np.zeros((0, 3), np.float32), np.array([True, False]), np.array([-128, 127], np.int8),
    np.array([0, 2**64 - 1], np.uint64), np.array([-2**63, 2**63 - 1]), np.arange(300, dtype=np.int16).reshape(20, 15),
    np.random.default_rng(0).normal(size=(17, 2)), np.random.default_rng(0).integers(0, 2, 40).astype(bool),
    np.array([0x7fc00001, 0xffc00000], np.uint32).view(np.float32), np.arange(40, dtype=">f4"),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(100.0)[::-3]], ids=lambda d: f"{d.dtype}-{d.shape}")
def test_constants_read_back_bit_for_bit(data):
    again = parse(print_graph(constant(data))).ops[0].attr("value").data
    assert again.dtype == data.dtype.newbyteorder("=")
    assert again.shape == data.shape
    assert again.tobytes() == data.astype(data.dtype.newbyteorder("=")).tobytes()
    assert print_graph(parse(print_graph(constant(data)))) == print_graph(constant(data))


def test_small_constants_are_readable():
    assert "constant{value=f32[2,2](1.0,0.1,-2.5,nan)}" in print_graph(
        constant(np.array([[1, 0.1], [-2.5, np.nan]], np.float32)))


# graphs of many ops

UNARY = ["exp", "relu", "tanh", "negative", "sigmoid", "stop_gradient"]
BINARY = ["add", "multiply", "subtract", "maximum", "divide"]


@st.composite
def graphs(draw):
    b = Builder()
    values = [b.input(TensorType(F32, (B, 4)), draw(st.sampled_from(["x", "", "x_1"]))) for _ in range(2)]
    for _ in range(draw(st.integers(0, 12))):
        b.origin = draw(st.sampled_from(["", "dense_1", "dense_2/relu"]))
        x, y = (draw(st.sampled_from(values)) for _ in range(2))
        kind = draw(st.sampled_from(["unary", "binary", "reduce", "select", "full", "transpose", "concatenate"]))
        hint = draw(st.sampled_from(["", "x", "h", "v3"]))
        if kind == "unary":
            values.append(b.emit(draw(st.sampled_from(UNARY)), x, hint=hint))
        elif kind == "binary":
            values.append(b.emit(draw(st.sampled_from(BINARY)), x, y, hint=hint))
        elif kind == "reduce":
            row = b.emit("reduce_sum", x, axes=(1,), hint=hint)
            values.append(b.emit("broadcast", row, axes=(0,), shape=(B, 4)))
        elif kind == "select":
            values.append(b.emit("select", b.emit("less", x, y), x, y, hint=hint))
        elif kind == "full":
            values.append(b.full(draw(st.floats(-5, 5)), (B, 4)))
        elif kind == "transpose":
            values.append(b.emit("transpose", b.emit("transpose", x, perm=(1, 0)), perm=(1, 0), hint=hint))
        else:
            both = b.emit("concatenate", x, y, axis=1)
            values.append(b.emit("slice", both, starts=(0, 2), limits=(B, 6), strides=(1, 1)))
    outputs = draw(st.lists(st.sampled_from(values), max_size=3))
    donated = draw(st.booleans()) and outputs
    return b.graph(outputs, draw(st.sampled_from(["g", "model 1"])), [(0, 1)] if donated else [])


@given(graphs())
def test_graphs_read_back(graph):
    verify(graph)
    assert_reads_back(graph)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
def test_every_op_reads_back(sample):
    graph = graph_of(sample)
    verify(graph)
    assert_reads_back(graph)


# errors

def broken(text):
    with pytest.raises(ParseError) as caught:
        parse(text, "m.txt")
    return str(caught.value)


@pytest.mark.parametrize(("old", "new", "where", "words", "underlined"), [
    ("matmul", "matmull", "m.txt:2:8", "no such op; got matmull. Did you mean matmul?", "matmull"),
    ("%h, %bb", "%h, %bc", "m.txt:4:16", "%bc is not defined. Did you mean %b", "%bc"),
    ("relu(%z)", "relu(%a)", "m.txt:5:13", "%a is used before it is defined", "%a"),
    ("matmul(%x", "matmul(%z", "m.txt:2:15", "%z is used before it is defined", "%z"),
    ("relu(%z)", "relu(%z, %h)", "m.txt:5:8", "expected 1; got 2", "relu(%z, %h)"),
    ("matmul(%x, %w)", "matmul(%x)", "m.txt:2:8", "expected b; got 1", "matmul(%x)"),
    ("matmul(%x, %w)", "matmul(%x, %w, %w)", "m.txt:2:8", "expected at most 2; got 3", "matmul(%x, %w, %w)"),
    ("%x: f32[B,784]", "%x: f32[B,78]", "m.txt:2:8", "matmul", "matmul(%x, %w)"),
    ("relu(%z) : f32[B,10]", "relu(%z) : f32[B,7]", "m.txt:5:19", "expected f32[B,10]; got f32[B,7]", "f32[B,7]"),
    ("%z = add", "%h = add", "m.txt:4:3", "%h is defined twice", "%h"),
    ("%z = add", "%z, %y = add", "m.txt:4:3", "expected 1; got 2", "%z, %y"),
    ("%w: f32[784,10]", "%x: f32[784,10]", "m.txt:1:27", "%x is defined twice", "%x"),
    ("return %a", "return %b -> %a", "m.txt:6:16", "only an input", "%a"),
    ("return %a", "return %a -> %b", "m.txt:6:16", "expected f32[10]; got f32[B,10]", "%b"),
    ("return %a", "return %b -> %b, %b -> %b", "m.txt:6:26", "two new values", "%b"),
    ("return %a", "return %q", "m.txt:6:10", "%q is not defined", "%q"),
    ("axes=(1,)", "axis=(1,)", "m.txt:3:9", "broadcast has no attribute axis", None),
    ("axes=(1,)", "axes=1", "m.txt:3:9", "tuple of ints", None),
    ("axes=(1,)", "axes=(1,), axes=(1,)", "m.txt:3:34", "axes stands twice", "axes"),
    ("axes=(1,)", "axes=(1,,)", "m.txt:3:31", "expected a value", ","),
    ("axes=(1,)", "axes=(1.5", "m.txt:3:34", "expected a number, a name or (; got shape", "shape"),
    ("axes=(1,)", 'axes="\\q"', "m.txt:3:28", "expected a JSON string", '"\\\\q"'),
    ("axes=(1,)", "axes=1e999", "m.txt:3:28", "range of a float", "1e999"),
    ("shape=(B,10)", "shape=(b,10)", "m.txt:3:41", "cannot read this size", "b"),
    ("shape=(B,10)", "shape=(B//0,10)", "m.txt:3:41", "expected a positive integer", "B//0"),
    ("%b: f32[10]", "%b: f33[10]", "m.txt:1:48", "no such element type", "f33"),
    ("%b: f32[10]", "%b: f32[-10]", "m.txt:1:48", "negative size", "f32[-10]"),
    ("%b: f32[10]", "%b: f32[9999999999,9999999999]", "m.txt:1:48", "larger than any memory", None),
    ("%b: f32[10]", f"%b: f32[{'1,' * 33}]", "m.txt:1:48", "more than 32 axes", None),
    ("%b: f32[10]", "%b f32[10]", "m.txt:1:47", "expected ':'", "f32"),
    ("graph mlp", "graf mlp", "m.txt:1:1", "expected 'graph'", "graf"),
    ("  return %a\n}", "", "m.txt:6:1", "got the end of the text", None),
    ("return %a", "return %a\x1b", "m.txt:6:12", r"got '\x1b'", r"\x1b"),
])
def test_errors_underline_their_place(old, new, where, words, underlined):
    assert old in MLP
    message = broken(MLP.replace(old, new, 1))
    first, line, caret = message.split("\n")
    assert first.startswith(f"{where}: ")
    assert words in first
    assert set(caret) <= {" ", "^"}
    if underlined is not None:
        assert line[caret.index("^"):caret.rindex("^") + 1] == underlined


def test_a_long_line_is_shown_around_its_place():
    message = broken(f"graph g(%x: f32[3]) {{ {'%y = relu(%x) ' + ' ' * 5000} %z = rulu(%x) return %z }}")
    assert max(map(len, message.split("\n"))) < 200
    assert message.split("\n")[1].lstrip().startswith("...")


@pytest.mark.parametrize("value", [
    "f32[2](1.0)", "f32[1](true)", "i8[1](128)", "u8[1](-1)", "i8[1](1.0)", "bool[1](1)", "f32[1](1e39)",
    'f32[1]("x")',
    'f32[2]"AAAA"', 'f32[1]"?"', 'bool[1]"Ag=="', "f32[B](1.0)", "f32[-1]()", 'f32[99999999999,99999999999]""',
    "f32[1]3", "f32", "3", '"x"'])
def test_constants_that_are_none(value):
    broken(f"graph g() {{ %c = constant{{value={value}}} return %c }}")


@pytest.mark.parametrize("op", [
    'full{value="x", shape=(3,), dtype=f32}', "full{value=1.0, shape=3, dtype=f32}",
    "full{value=1.0, shape=(3,), dtype=3}",
    "full{value=f32[](1.0), shape=(3,), dtype=f32}", "full{value=1.0, shape=(-3,), dtype=f32}",
    "full{value=1.0, shape=(9999999999,9999999999), dtype=f32}", "transpose(%x){perm=(0,0)}",
    "transpose(%x){perm=(5,6)}",
    "reduce_sum(%x){axes=(7,)}", "reduce_sum(%x){axes=(-1,)}", "softmax(%x){axis=9}", "concatenate(%x){axis=-9}",
    "concatenate(){axis=0}", "add()", "reduce_sum(%x, %x)", "cast(%x, %x)", "cast(%x){dtype=none}",
    "relu(%x){axes=(1,)}",
    "reshape(%x){shape=(7,)}", "matmul(%x, %x){a=3}", "iota{axis=2, shape=(3,), dtype=f32}", "gather(%x, %x){axis=0}",
    "slice(%x){starts=(), limits=(), strides=()}", "pad(%x){low=(-1,0), high=(0,0), value=0.0}", "scan",
    "__class__(%x)",
    "full{value=1.0, shape=graph g() { return }, dtype=f32}"])
def test_ops_that_do_not_fit_their_rule(op):
    assert "\n" in broken(f"graph g(%x: f32[2,3]) {{ %y = {op} return %y }}")


@given(st.text(st.sampled_from("graph g(%x:f32[B])){}relu%=,.->\"\\\n#-/*+1e") | st.characters(), max_size=60))
def test_any_text_is_a_graph_or_a_parse_error(text):
    shown = []
    for candidate in (text, f"graph g(%x: f32[B,3]) {{ {text} return %x }}",
                      f"graph g(%x: f32[B,3]) {{ %y = full{{value={text}}} return %x }}"):
        try:
            parse(candidate)
        except ParseError as error:
            shown.append(str(error))
    assert all(c.isprintable() or c == "\n" for text in shown for c in text)


@given(st.integers(0, len(STEP) - 1), st.characters(codec="utf-8"), st.booleans())
def test_damaged_text_is_a_graph_or_a_parse_error(place, character, cut):
    with suppress(ParseError):
        parse(STEP[:place] if cut else STEP[:place] + character + STEP[place + 1:])


@pytest.mark.parametrize("text", [
    "graph g() { %x = full{value=" + "(" * 100_000, "graph g() { %x = full{value=" + "(1," * 5000 + ")" * 5000,
    "graph g() { %x = full{value=" + "graph g() { %x = full{value=" * 3000, "graph g(%x: f32[" + "(" * 9999,
    "graph g(%x: f32[" + "9" * 100_000 + "]", "graph g(%x: f32[" + "B*" * 100_000 + "B]", '"' * 100_001, "%" * 100_000,
    "graph " + "a" * 100_000, "graph g() { return " + "%x," * 30_000,
    "graph g(%x: f32[" + ",".join(["A+B+C+D"] * 32) + "]) { %y = reshape(%x){shape=(A,)} return %y }"])
def test_large_hostile_text_ends_quickly_in_a_parse_error(text):
    assert len(broken(text)) < 1000


def test_text_beyond_the_limit_is_refused():
    assert "too long" in broken(" " * (MAX_SIZE + 1))


def test_many_ops_are_no_problem():
    lines = "\n".join(f"%v{n + 1} = relu(%v{n})" for n in range(5000))
    graph = parse(f"graph g(%v0: f32[3]) {{ {lines} return %v5000 }}")
    assert len(graph.ops) == 5000


def test_printing_what_no_attribute_can_hold_is_refused():
    with pytest.raises(TypeError, match="list"):
        print_graph(probe([1]))


def test_strings_are_json():
    assert json.dumps("\u202e\n") in print_graph(probe("\u202e\n"))


def test_values_are_new_objects_with_their_names_as_hints():
    graph = parse(MLP)
    assert [v.hint for v in graph.inputs] == ["x", "w", "b"]
    assert all(isinstance(v, Value) for op in graph.ops for v in op.results)
    assert parse(MLP).inputs[0] is not graph.inputs[0]
