"""Graphs that were once compiled wrongly, each cut down to what it takes."""

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.errors import ShapeError
from graphc.ir import Builder, op_spec
from graphc.ir.bind_dims import BindDims
from graphc.ir.dims import bind_shape
from graphc.ir.parser import parse, parse_type
from graphc.passes.fuse import fuse
from graphc.passes.pipeline import passes_for
from tests.codegen_cpu.bounds import check

CASES = {
    "a counter that is an output and is added to a fold": """graph g(%x: f32[4,5]) {
      %s = reduce_sum(%x){axes=(1,)}
      %i = iota{axis=0, shape=(4,), dtype=f32}
      %y = add(%s, %i)
      return %i, %y
    }""",
    "an axis of one that a broadcast drops, under a mover of axes": """graph g(%x: f32[B,1]) {
      %r = reverse(%x){axes=(0,)}
      %b = broadcast(%r){axes=(0,1), shape=(B,3)}
      return %b
    }""",
    "axes of one that a broadcast drops, under a concatenation": """graph g(%x: f32[1,1,1], %y: f32[7,7,3]) {
      %c = concatenate(%x){axis=1}
      %b = broadcast(%c){axes=(0,1,2), shape=(7,7,3)}
      %z = add(%y, %b)
      return %z
    }""",
    "a constant as an operand of a contraction": """graph g(%x: f32[2,2]) {
      %c = constant{value=f32[2,2](1.0, 2.0, 3.0, 4.0)}
      %y = matmul(%x, %c)
      %z = matmul(%c, %x)
      return %y, %z
    }""",
    "a constant that is scattered, by a constant": """graph g(%x: f32[3]) {
      %c = constant{value=f32[3](1.0, 2.0, 3.0)}
      %i = constant{value=i32[3](0, 4, 0)}
      %g = gather_grad(%c, %i){axis=0, size=5}
      %h = gather_grad(%x, %i){axis=0, size=5}
      %s = cumsum(%c){axis=0}
      return %g, %h, %s
    }""",
    "an input and a constant as outputs, each twice": """graph g(%x: f32[3]) {
      %c = constant{value=f32[2](1.0, 2.0)}
      return %c, %x, %c, %x
    }""",
    "softmax over the first axis, with symbolic axes behind it": """graph g(%x: f32[3,B]) {
      %y = softmax(%x){axis=0}
      return %y
    }""",
    "a fold of folds": """graph g(%x: f32[B,5,7]) {
      %a = reduce_max(%x){axes=(2,)}
      %b = reduce_sum(%a){axes=(0,)}
      %c = reduce_mean(%b){axes=(0,)}
      return %a, %b, %c
    }""",
    "movers as outputs": """graph g(%x: f32[B,3], %y: f32[B,2], %i: i32[B]) {
      %c = concatenate(%x, %y, %x){axis=1}
      %p = pad(%x){low=(1,0), high=(0,2), value=0.5}
      %t = transpose(%c){perm=(1,0)}
      %r = reshape(%t){shape=(8*B,)}
      %b = broadcast(%y){axes=(0,2), shape=(B,2,2)}
      %g = gather(%t, %i){axis=0}
      %s = slice(%c){starts=(0,1), limits=(B,8), strides=(1,3)}
      %v = reverse(%s){axes=(0,1)}
      return %c, %p, %t, %r, %b, %g, %s, %v
    }""",
    "concatenations inside concatenations and paddings": """graph g(%x: f32[B,3], %y: f32[B,2], %z: f32[B,10]) {
      %a = concatenate(%x, %y){axis=1}
      %b = reverse(%a){axes=(1,)}
      %c = concatenate(%b, %a){axis=1}
      %p = pad(%c){low=(0,1), high=(0,1), value=2.0}
      %d = concatenate(%p, %z, %p){axis=1}
      %e = exp(%d)
      return %e
    }""",
    "products of batches with transposed operands": """graph g(%x: f32[B,3,5,4], %y: f32[B,3,6,4], %z: f32[5,B,4]) {
      %yt = transpose(%y){perm=(0,1,3,2)}
      %a = matmul(%x, %yt)
      %xt = transpose(%x){perm=(0,1,3,2)}
      %b = matmul(%xt, %x)
      %zt = transpose(%z){perm=(1,0,2)}
      %zu = transpose(%z){perm=(1,2,0)}
      %c = matmul(%zt, %zu)
      return %a, %b, %c
    }""",
    "everything in double precision": """graph g(%x: f64[B,33], %w: f64[33,20], %v: f64[20]) {
      %h = matmul(%x, %w)
      %b = broadcast(%v){axes=(1,), shape=(B,20)}
      %a = add(%h, %b)
      %t = tanh(%a)
      %s = softmax(%t){axis=1}
      %l = log(%s)
      %m = reduce_sum(%l){axes=(0,1)}
      return %s, %m
    }""",
    "numbers without axes": """graph g(%x: f32[], %y: f32[]) {
      %a = add(%x, %y)
      %t = tanh(%a)
      %r = reshape(%t){shape=(1,1)}
      %b = broadcast(%t){axes=(), shape=(3,)}
      %s = reduce_sum(%b){axes=(0,)}
      return %t, %r, %b, %s
    }""",
    "one element of a product, as a number without axes": """graph g(%x: f32[1,3], %w: f32[3,4]) {
      %y = matmul(%x, %w)
      %s = slice(%y){starts=(0,2), limits=(1,3), strides=(1,1)}
      %r = reshape(%s){shape=()}
      return %r
    }""",
    "folds of axes of one": """graph g(%x: f32[B,1,4,1]) {
      %a = reduce_sum(%x){axes=(1,)}
      %b = reduce_max(%x){axes=(3,)}
      %c = reduce_sum(%x){axes=(1,3)}
      %d = reduce_mean(%x){axes=(0,1,2,3)}
      %e = softmax(%x){axis=1}
      %f = argmax(%x){axis=3}
      return %a, %b, %c, %d, %e, %f
    }""",
    "a copy of an input as long as a random key": """graph g(%s: i64[], %x: f32[2], %u: f32[B]) {
      %k = random_key(%s, %s){stream=0}
      %r = random_uniform(%k){dtype=f32, shape=(3,)}
      return %x, %r
    }""",
    "no op": "graph g(%x: f32[B,2]) {\n  return %x\n}",
    "no output": "graph g(%x: f32[B,2]) {\n  %y = exp(%x)\n  return \n}",
}


@pytest.mark.parametrize("fusion", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_graph(case, fusion):
    graph = parse(CASES[case])
    f = compile_graph(graph, fusion=fusion)
    for size in (1, 3, 70):
        rng = np.random.default_rng(size)
        arrays = [np.asarray(rng.integers(0, 5, shape) if v.type.dtype.is_integer else rng.integers(-16, 17, shape) / 8,
                             v.type.dtype.numpy)
                  for v in graph.inputs for shape in [bind_shape(v.type.shape, {"B": size})]]
        check(graph, arrays, f(*arrays), f"{case}, B = {size}")


def test_an_output_that_stands_twice_is_stepped_once():
    graph = parse("""graph g(%x: f32[B]) {
      %y = exp(%x)
      %s = reduce_sum(%y){axes=(0,)}
      return %s, %y, %s, %y
    }""")
    x = np.arange(12, dtype="f4") / 8
    f = compile_graph(graph)
    for i, stacked in enumerate(f.run_steps([x], 3, [True])):
        for step in range(3):
            np.testing.assert_array_equal(stacked[step], f(x[4 * step:4 * step + 4])[i])


@pytest.mark.parametrize("fusion", [True, False])
def test_a_depthwise_convolution_of_no_items(fusion):
    graph = parse("""graph g(%x: f32[B,5,2], %w: f32[3,2,2]) {
      %y = depthwise_convolution(%x, %w){dilations=(1,), strides=(1,)}
      return %y
    }""")
    arrays = [np.zeros((0, 5, 2), "f4"), np.ones((3, 2, 2), "f4")]
    check(graph, arrays, compile_graph(graph, fusion=fusion)(*arrays), "no items")


def test_a_loop_that_leaves_nothing_behind():
    """Passes may make one of a loop whose results nobody reads, and must be able to copy it."""
    body = parse("graph step(%x: f32[B,3]) {\n  %y = exp(%x)\n  return \n}")
    b = Builder()
    x = b.input(parse_type("f32[2,B,3]"), "x")
    loop = {"body": body, "carried": 0, "sliced": 1, "length": 2, "reverse": False}
    assert b.emit_op(op_spec("scan"), [x], loop).results == ()
    graph = BindDims({"B": 5})(b.graph([b.emit("exp", x)]))
    for step in passes_for():
        graph = step(graph)
    assert [op.name for op in graph.ops] == ["exp"]


def test_a_loop_that_is_read_twice_by_one_op_is_decided_about_once():
    graph = parse("""graph g(%h: f32[4], %x: f32[3,4]) {
      %a, %s = scan(%h, %x){body=graph step(%h: f32[4], %x: f32[4]) {
        %n = add(%h, %x)
        %t = tanh(%n)
        return %t, %n
      }, carried=1, length=3, reverse=false, sliced=1}
      %b = broadcast(%a){axes=(1,), shape=(3,4)}
      %y = add(%b, %s)
      return %y
    }""")
    assert [str(decision) for decision in fuse(graph).decisions] == ["apart: scan -> add: scan is a kernel of its own"]


LOOP = """graph g(%h: f32[3], %x: f32[2,B]) {
  %y = scan(%h, %x){body=graph step(%h: f32[3], %x: f32[B]) {
    %p = slice(%x){limits=(B-2,), starts=(0,), strides=(1,)}
    %s = reduce_sum(%p){axes=(0,)}
    %b = broadcast(%s){axes=(), shape=(3,)}
    %n = add(%h, %b)
    return %n
  }, carried=1, length=2, reverse=false, sliced=1}
  return %y
}"""


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_sizes_inside_of_loops_are_checked(target):
    """The kernels of a body trust their sizes as all kernels do."""
    f = compile_graph(parse(LOOP), target=target)
    with pytest.raises(ShapeError, match="slice: the sizes of this call do not fit"):
        f(np.ones(3, "f4"), np.ones((2, 1), "f4"))
    np.testing.assert_array_equal(f(np.ones(3, "f4"), np.ones((2, 4), "f4"))[0], [5, 5, 5])


@pytest.mark.parametrize("target", ["cpu", "reference"])
@pytest.mark.parametrize("text", [
    LOOP.replace("broadcast(%s){axes=(), shape=(3,)}", "broadcast(%s){axes=(), shape=(N,3)}")
        .replace("add(%h, %b)", "reduce_sum(%b){axes=(0,)}"),
    "graph g(%x: f32[]) {\n  %n = size{dim=2*N, dtype=f32}\n  %y = add(%x, %n)\n  return %y\n}"], ids=["a body", "a size"])
def test_symbols_that_no_input_tells_are_refused_wherever_they_stand(text, target):
    graph = parse(text)
    arrays = [np.ones(bind_shape(v.type.shape, {"B": 4}), "f4") for v in graph.inputs]
    with pytest.raises(ShapeError, match="the size of N cannot be told from the inputs"):
        compile_graph(graph, target=target)(*arrays)
