"""Sizes of a call: each condition holds at its bound and is refused one below; which symbols the inputs tell.

What does not live here: the same conditions for known sizes (test_ops.py).
"""

import pytest

from graphc.errors import ShapeError
from graphc.ir.parser import parse
from graphc.ir.sizes import check_sizes, check_told

ONE = "graph g(%x: {}) {{\n  %y = {}\n  return %y\n}}"
BOUNDS = {  # (type, op, least B, what is expected)
    "slice: start": ("f32[B,9]", "slice(%x){starts=(0,B-3), limits=(B,9), strides=(1,1)}", 3, "a start B-3 of axis 1 of at least 0"),
    "slice: part": ("f32[B,9]", "slice(%x){starts=(0,2), limits=(B,B), strides=(1,2)}", 2, "a part 2 to B of axis 1 of at least 0"),
    "slice: rest": ("f32[B]", "slice(%x){starts=(0,), limits=(4,), strides=(1,)}", 4,
                    "a rest behind 4 of axis 0, which holds B, of at least 0"),
    "pad: low": ("f32[B]", "pad(%x){low=(B-3,), high=(9,), value=0.0}", 3, "a margin B-3 of axis 0 of at least 0"),
    "pad: high": ("f32[B]", "pad(%x){low=(9,), high=(B-5,), value=0.0}", 5, "a margin B-5 of axis 0 of at least 0"),
    "broadcast": ("f32[B]", "broadcast(%x){axes=(1,), shape=(B-2,B)}", 2, "a size B-2 of axis 0 of at least 0"),
    "reduce_max": ("f32[B,3]", "reduce_max(%x){axes=(0,)}", 1, "a size of axis 0 of at least 1"),
    "reduce_min": ("f32[3,B]", "reduce_min(%x){axes=(0,1)}", 1, "a size of axis 1 of at least 1"),
    "argmax": ("f32[B,3]", "argmax(%x){axis=0}", 1, "a size of axis 0 of at least 1"),
    "argmin": ("f32[2,B]", "argmin(%x){axis=1}", 1, "a size of axis 1 of at least 1"),
    "log_softmax": ("f32[B,3]", "log_softmax(%x){axis=0}", 1, "a size of axis 0 of at least 1"),
    "softmax": ("f32[3,B]", "softmax(%x){axis=1}", 1, "a size of axis 1 of at least 1"),
    "logsumexp": ("f32[3,B]", "logsumexp(%x){axes=(1,)}", 1, "a size of axis 1 of at least 1"),
    "windows": ("f32[2,B]", "windows(%x){axes=(1,), shape=(3,), strides=(1,), dilations=(2,)}", 5, "a size of axis 1 of at least 5"),
    "windows, first axis": ("f32[B,2]", "windows(%x){axes=(0,), shape=(3,), strides=(1,), dilations=(1,)}", 3,
                            "a size of axis 0 of at least 3"),
    "max_pool": ("f32[1,B,9,2]", "max_pool(%x){shape=(3,2), strides=(2,2)}", 3, "a size of axis 1 of at least 3"),
    "max_pool, second axis": ("f32[1,9,B,2]", "max_pool(%x){shape=(3,2), strides=(2,2)}", 2, "a size of axis 2 of at least 2"),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_each_condition_holds_at_its_bound_and_not_below(name):
    type_, op, least, expected = BOUNDS[name]
    graph = parse(ONE.format(type_, op))
    check_sizes(graph, {"B": least})
    with pytest.raises(ShapeError, match="the sizes of this call do not fit") as caught:
        check_sizes(graph, {"B": least - 1})
    assert f"{name.split(':')[0].split(',')[0]}: the sizes of this call do not fit (B = {least - 1}); " in str(caught.value)
    assert f"expected {expected}; got " in str(caught.value)


@pytest.mark.parametrize(("op", "kernel"), [("convolution", "f32[3,2,5]"), ("depthwise_convolution", "f32[3,2,1]")])
def test_kernels_fit(op, kernel):
    graph = parse(f"graph g(%x: f32[1,B,2], %w: {kernel}) {{\n  %y = {op}(%x, %w){{strides=(1,), dilations=(1,)}}\n  return %y\n}}")
    check_sizes(graph, {"B": 3})
    with pytest.raises(ShapeError, match="expected a size of axis 1 of at least 3; got 2"):
        check_sizes(graph, {"B": 2})


def test_the_gradient_of_a_kernel_is_checked_too():
    graph = parse("graph g(%x: f32[1,B,2], %g: f32[1,B-2,5]) {\n  %y = convolution_gradient(%x, %g){shape=(3,), strides=(1,), "
                  "dilations=(1,)}\n  return %y\n}")
    check_sizes(graph, {"B": 3})
    with pytest.raises(ShapeError, match="convolution_gradient: the sizes of this call do not fit"):
        check_sizes(graph, {"B": 2})


def test_the_layer_and_all_sizes_are_named():
    graph = parse("graph g(%x: f32[B,T]) {\n  %y = slice(%x){starts=(0,0), limits=(B,4), strides=(1,1)}  # crop_1\n  return %y\n}")
    with pytest.raises(ShapeError, match=r"^crop_1: slice: the sizes of this call do not fit \(B = 2, T = 3\); .*got -1$"):
        check_sizes(graph, {"T": 3, "B": 2})


def test_what_the_sizes_do_not_tell_is_not_judged():
    check_sizes(parse(ONE.format("f32[B]", "slice(%x){starts=(0,), limits=(4,), strides=(1,)}")), {})


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_results_are_reached_by_64_bits(dtype):
    graph = parse(ONE.format(f"{dtype}[B]", "broadcast(%x){axes=(0,), shape=(B,4)}"))
    size = 2**63 // (16 if dtype == "f32" else 32)
    check_sizes(graph, {"B": size - 1})
    with pytest.raises(ShapeError, match=rf"broadcast: the result is larger than any memory; .* bytes; got {dtype}.B,4. of {2**63} bytes"):
        check_sizes(graph, {"B": size})


LOOP = """graph g(%x: f32[T,B,4]) {{
  %y = scan(%x){{body=graph step(%s: f32[{inside},4]) {{
      %a = slice(%s){{starts=(0,0), limits=(2,4), strides=(1,1)}}
      return %a
    }}, carried=0, length=T, {more}reverse=false, sliced=1}}
  return %y
}}"""


def loop(inside="B", more=""):
    return parse(LOOP.format(inside=inside, more=more))


def test_the_bodies_of_loops_are_checked_where_they_have_a_step():
    graph = loop()
    check_sizes(graph, {"T": 1, "B": 2})
    check_sizes(graph, {"T": 0, "B": 1})
    with pytest.raises(ShapeError, match="slice: the sizes of this call do not fit"):
        check_sizes(graph, {"T": 1, "B": 1})


def test_loops_say_how_many_steps_they_need():
    graph = loop(more="least=3, ")
    check_sizes(graph, {"T": 3, "B": 2})
    with pytest.raises(ShapeError, match="a loop over time: the sizes of this call do not fit .*expected a number of steps of at least 3; got 2"):
        check_sizes(graph, {"T": 2, "B": 2})
    with pytest.raises(ShapeError, match="expected a number of steps of at least 0; got -1|a size T of axis 0"):
        check_sizes(loop(), {"T": -1, "B": 2})


def test_symbols_are_told_by_axes_of_the_inputs():
    graph = parse("graph g(%x: f32[B,2], %y: f32[T]) {\n  %z = broadcast(%y){axes=(0,), shape=(T,B)}\n  return %z\n}")
    check_told(graph, graph.inputs)
    with pytest.raises(ShapeError, match=r"^x: the size of B cannot be told from the inputs; expected an input with B as an axis; got f32.B,2."):
        check_told(graph, graph.inputs[1:])
    with pytest.raises(ShapeError, match="the size of T cannot be told"):
        check_told(graph, graph.inputs[:1])


def test_an_axis_that_a_symbol_is_only_part_of_does_not_tell_it():
    graph = parse("graph g(%x: f32[2*B]) {\n  return %x\n}")
    with pytest.raises(ShapeError, match="x: the size of B cannot be told"):
        check_told(graph, graph.inputs)


def test_symbols_of_attributes_and_bodies_are_told_too():
    graph = parse(ONE.format("f32[9]", "slice(%x){starts=(B-B,), limits=(9,), strides=(1,)}"))
    check_told(graph, graph.inputs)  # B - B is 0
    graph = parse("graph g(%x: f32[9]) {\n  %n = size(){dim=B, dtype=f32}\n  return %n\n}")
    with pytest.raises(ShapeError, match="^g: the size of B cannot be told .*expected an input with B as an axis; got an attribute"):
        check_told(graph, graph.inputs)


def test_the_rows_of_a_loop_are_told_by_the_loop():
    """A body is stated for R rows; which they are, here and in a loop inside, the op says."""
    graph = parse("""graph g(%x: f32[T,B,4]) {
      %y = scan(%x){body=graph step(%s: f32[R,4]) {
          %z = scan(%s){body=graph inner(%t: f32[4]) {
              %a = negative(%t)
              return %a
            }, carried=0, length=R, reverse=false, sliced=1}
          return %z
        }, carried=0, length=T, reverse=false, rows=("R",B), sliced=1}
      return %y
    }""")
    check_told(graph, graph.inputs)
    check_sizes(graph, {"T": 2, "B": 3})


def test_bodies_are_checked_with_the_rows_they_have():
    graph = parse("""graph g(%x: f32[T,B,4]) {
      %y = scan(%x){body=graph step(%s: f32[R,4]) {
          %a = reduce_max(%s){axes=(0,)}
          return %a
        }, carried=0, length=T, reverse=false, rows=("R",B), sliced=1}
      return %y
    }""")
    check_sizes(graph, {"T": 2, "B": 1})
    with pytest.raises(ShapeError, match=r"reduce_max: the sizes of this call do not fit \(B = 0, R = 0, T = 2\)"):
        check_sizes(graph, {"T": 2, "B": 0})
