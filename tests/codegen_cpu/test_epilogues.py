"""What is fused behind a contraction: epilogues of every sort, folds of the result, weights updated in place.

What does not live here: sizes and operands of contractions (test_contractions.py).
"""

import re

import pytest

from tests.codegen_cpu.agreement import assert_agrees, assert_steps_agree

EPILOGUES = {
    "bias and relu, before and after": """
      %s = broadcast(%c){axes=(1,), shape=(M,N)}
      %z = add(%y, %s)
      %r = relu(%z)
      return %r, %z, %y""",
    "bias and tanh": """
      %s = broadcast(%c){axes=(1,), shape=(M,N)}
      %z = add(%y, %s)
      %r = tanh(%z)
      return %r""",
    "one number for each row, one for all": """
      %s = broadcast(%d){axes=(0,), shape=(M,N)}
      %z = multiply(%y, %s)
      %e = broadcast(%e0){axes=(), shape=(M,N)}
      %r = subtract(%z, %e)
      return %r""",
    "a mask drawn again": """
      %key = random_key(%seed, %step){stream=3}
      %u = random_uniform(%key){shape=(M,N), dtype=f32}
      %p = full{value=0.5, shape=(M,N), dtype=f32}
      %keep = less(%u, %p)
      %zero = full{value=0.0, shape=(M,N), dtype=f32}
      %two = full{value=2.0, shape=(M,N), dtype=f32}
      %z = multiply(%y, %two)
      %r = select(%keep, %z, %zero)
      return %r, %keep""",
    "what comes back through a mask and a relu": """
      %zero = full{value=0.0, shape=(M,N), dtype=f32}
      %on = greater(%f, %zero)
      %r = select(%on, %y, %zero)
      return %r""",
    "around it": """
      %z = add(%y, %f)
      %r = sigmoid(%z)
      %w = multiply(%r, %f)
      return %w, %r""",
    "transposed reads, reversed reads": """
      %t = transpose(%h){perm=(1,0)}
      %v = reverse(%f){axes=(0,1)}
      %z = add(%y, %t)
      %r = subtract(%z, %v)
      return %r""",
    "positions": """
      %i = iota{axis=0, shape=(M,N), dtype=i32}
      %j = iota{axis=1, shape=(M,N), dtype=i32}
      %low = greater_equal(%i, %j)
      %none = full{value=-1000.0, shape=(M,N), dtype=f32}
      %r = select(%low, %y, %none)
      return %r, %low""",
    "other types": """
      %w = cast(%y){dtype=f64}
      %i = cast(%y){dtype=i32}
      %zero = full{value=0.0, shape=(M,N), dtype=f32}
      %on = greater(%y, %zero)
      return %w, %i, %on""",
    "a row of a table": """
      %rows = gather(%h, %k){axis=0}
      %z = add(%y, %rows)
      return %z""",
}
INPUTS = {"%c": "%c: f32[N]", "%d": "%d: f32[M]", "%e0": "%e0: f32[]", "%f": "%f: f32[M,N]", "%h": "%h: f32[N,M]",
          "%k": "%k: i32[M]", "%seed": "%seed: i64[], %step: i64[]"}


def behind(text, **known):
    """The graph of a product %y = %a %b with `text` behind it; N=64 and the like puts a number in place of a symbol."""
    inputs = {**INPUTS, "%h": "%h: f32[5,N]"} if "gather" in text else INPUTS
    used = set(re.findall(r"%\w+", text))
    given = ", ".join(["%a: f32[M,K]", "%b: f32[K,N]", *(inputs[name] for name in inputs if name in used)])
    whole = f"graph g({given}) {{\n      %y = matmul(%a, %b){text}\n}}"
    for symbol, number in known.items():
        whole = re.sub(rf"\b{symbol}\b", str(number), whole)
    return whole


@pytest.mark.parametrize("name", EPILOGUES)
def test_epilogue(name, thread_counts):
    sizes = [{"M": m, "N": n, "K": k} for m, n, k in ((1, 1, 1), (5, 7, 3), (13, 33, 20), (70, 64, 5), (3, 130, 600))]
    assert_agrees(behind(EPILOGUES[name]), sizes, thread_counts, kernels=2 if "drawn" in name else 1)


@pytest.mark.parametrize("columns", [10, 64])
@pytest.mark.parametrize("name", ["bias and relu, before and after", "a mask drawn again", "around it",
                                  "transposed reads, reversed reads", "positions"])
def test_epilogue_of_known_columns(name, columns, thread_counts):
    assert_agrees(behind(EPILOGUES[name], N=columns), [{"M": m, "K": k} for m, k in ((1, 1), (13, 20), (50, 130), (4, 0))],
                  thread_counts)


def test_a_product_added_to_narrow_columns(thread_counts):
    """One rounding or two: each element has the same, wherever it falls in vectors, tails and shares."""
    for columns in (1, 2, 3, 4, 5, 6, 7):
        assert_agrees(f"""graph g(%a: f32[M,K], %b: f32[K,{columns}], %h: f32[M,{columns}], %x: f32[M,{columns}]) {{
          %y = matmul(%a, %b)
          %z = multiply(%y, %h)
          %r = add(%x, %z)
          return %r
        }}""", [{"M": m, "K": k} for m, k in ((1, 3), (24, 1), (37, 3), (64, 20))], thread_counts, kernels=1, normal=True)


def test_an_epilogue_without_fusion(thread_counts):
    assert_agrees(behind(EPILOGUES["bias and tanh"]), [{"M": 13, "N": 33, "K": 20}], thread_counts, kernels=3, fusion=False)


def test_epilogues_of_batches(thread_counts):
    assert_agrees("""graph g(%a: f32[B,3,M,K], %b: f32[B,3,N,K], %m: bool[B,M,N], %c: f32[3,N]) {
      %t = transpose(%b){perm=(0,1,3,2)}
      %y = matmul(%a, %t)
      %half = full{value=0.5, shape=(B,3,M,N), dtype=f32}
      %s = multiply(%y, %half)
      %mm = broadcast(%m){axes=(0,2,3), shape=(B,3,M,N)}
      %low = full{value=-1000.0, shape=(B,3,M,N), dtype=f32}
      %z = select(%mm, %s, %low)
      %cc = broadcast(%c){axes=(1,3), shape=(B,3,M,N)}
      %r = add(%z, %cc)
      return %r, %z
    }""", [{"B": b, "M": m, "N": n, "K": k} for b, m, n, k in ((1, 1, 1, 1), (2, 5, 7, 3), (3, 13, 33, 20), (2, 4, 70, 600))],
                  thread_counts, kernels=1)


def test_epilogues_in_double_precision(thread_counts):
    assert_agrees(behind(EPILOGUES["bias and tanh"]).replace("f32", "f64"),
                  [{"M": m, "N": n, "K": k} for m, n, k in ((1, 1, 1), (13, 33, 20), (70, 9, 600))], thread_counts,
                  kernels=1, normal=True)


FOLDS = {
    "softmax of rows": """
      %s = broadcast(%c){axes=(1,), shape=(M,N)}
      %z = add(%y, %s)
      %p = softmax(%z){axis=1}
      return %p""",
    "a loss": """
      %p = log_softmax(%y){axis=1}
      %l = multiply(%p, %f)
      %s = reduce_sum(%l){axes=(1,)}
      %m = reduce_mean(%s){axes=(0,)}
      return %m, %p""",
    "folds both ways": """
      %r = relu(%y)
      %a1 = reduce_sum(%r){axes=(0,)}
      %a2 = reduce_max(%r){axes=(1,)}
      %a3 = argmax(%y){axis=1}
      return %a1, %a2, %a3, %r""",
}


@pytest.mark.parametrize("name", FOLDS)
def test_folds_behind_a_contraction(name, thread_counts):
    assert_agrees(behind(FOLDS[name]),
                  [{"M": m, "N": n, "K": k} for m, n, k in ((1, 1, 1), (5, 10, 3), (33, 70, 20))], thread_counts)


# ---- updates in place

SGD = """graph step(%x: f32[B,I], %d: f32[B,O], %w: f32[I,O], %rate: f32[]) {
  %t = transpose(%x){perm=(1,0)}
  %g = matmul(%t, %d)
  %r = broadcast(%rate){axes=(), shape=(I,O)}
  %s = multiply(%g, %r)
  %n = subtract(%w, %s)
  return %n -> %w
}"""
RMSPROP = """graph step(%x: f32[B,I], %d: f32[B,O], %w: f32[I,O], %v: f32[I,O]) {
  %t = transpose(%x){perm=(1,0)}
  %g = matmul(%t, %d)
  %keep = full{value=0.75, shape=(I,O), dtype=f32}
  %new = full{value=0.25, shape=(I,O), dtype=f32}
  %old = multiply(%v, %keep)
  %sq = square(%g)
  %add = multiply(%sq, %new)
  %vv = add(%old, %add)
  %pos = absolute(%vv)
  %one = full{value=1.0, shape=(I,O), dtype=f32}
  %safe = add(%pos, %one)
  %root = sqrt(%safe)
  %q = divide(%g, %root)
  %rate = full{value=0.125, shape=(I,O), dtype=f32}
  %s = multiply(%q, %rate)
  %n = subtract(%w, %s)
  return %n -> %w, %vv -> %v
}"""
MOMENTUM = """graph step(%x: f32[B,I], %d: f32[O], %w: f32[I,O], %m: f32[I,O]) {
  %y = matmul(%x, %w)
  %dd = broadcast(%d){axes=(1,), shape=(B,O)}
  %yd = add(%y, %dd)
  %h = tanh(%yd)
  %t = transpose(%x){perm=(1,0)}
  %g = matmul(%t, %h)
  %half = full{value=0.5, shape=(I,O), dtype=f32}
  %k = multiply(%m, %half)
  %mm = subtract(%k, %g)
  %n = add(%w, %mm)
  %norm = square(%n)
  %l = reduce_sum(%norm){axes=(0,1)}
  return %mm -> %m, %n -> %w, %h, %l
}"""
SIZES = [{"B": b, "I": i, "O": o} for b, i, o in ((1, 1, 1), (3, 5, 7), (32, 13, 10), (7, 70, 33), (0, 4, 5))]


@pytest.mark.parametrize(("text", "in_place"), [(SGD, 1), (RMSPROP, 2), (MOMENTUM, 2)], ids=["sgd", "rmsprop", "momentum"])
def test_weights_are_updated_where_they_lie(text, in_place, thread_counts):
    assert_steps_agree(text, SIZES, thread_counts, in_place=in_place, normal=True)


def test_weights_of_known_sizes_are_updated_where_they_lie(thread_counts):
    for i, o in ((20, 10), (100, 64)):
        text = RMSPROP.replace("I,O", f"{i},{o}").replace("B,I", f"B,{i}").replace("B,O", f"B,{o}")
        assert_steps_agree(text, [{"B": 32}, {"B": 1}, {"B": 5}], thread_counts, in_place=2, normal=True)


def test_a_weight_that_its_own_gradient_reads_is_not_written_early(thread_counts):
    """The product reads all of the old weight, so the new one is stored behind it and copied."""
    assert_steps_agree("""graph step(%w: f32[I,I], %d: f32[I]) {
      %g = matmul(%w, %w)
      %c = full{value=0.0625, shape=(I,I), dtype=f32}
      %s = multiply(%g, %c)
      %n = subtract(%w, %s)
      return %n -> %w
    }""", [{"I": 5}, {"I": 70}], thread_counts, in_place=0, normal=True)
