"""The memory plan: values that live at the same time never share a byte, others do."""

import random
from itertools import pairwise

import pytest

from graphc.ir.dims import bind
from graphc.ir.layout import Block, lay_out
from graphc.ir.parser import parse
from graphc.passes.pipeline import optimize, plan
from tests.fuzz.graphs import random_graph


def assert_no_overlap(memory):
    """Walk the kernels: whoever is still to be read, or is an output, keeps its bytes for itself."""
    kernels, graph = memory.kernels.kernels, memory.kernels.graph
    needed = {v: i for i, kernel in enumerate(kernels) for v in kernel.inputs}
    needed.update(dict.fromkeys(graph.outputs, len(kernels)))
    stored = [v for kernel in kernels for v in kernel.outputs]
    assert len(stored) == len(set(stored))
    assert set(memory.lives) <= set(stored)
    symbols = sorted(set().union(*(v.type.symbols for v in (*graph.inputs, *stored))))
    for first, others in ((1, 1), (3, 100), (1000, 2)):
        sizes = {name: others if i else first for i, name in enumerate(symbols)}
        offsets, total = memory.layout(sizes)
        live = {}
        for i, kernel in enumerate(kernels):
            in_place = {kernel.outputs[o] for o, _ in kernel.aliases}
            assert not in_place & set(offsets)
            for value in kernel.outputs:
                if value not in in_place:
                    live[value] = offsets[value], offsets[value] + bind(value.type.nbytes, sizes)
            places = sorted(live.values())
            assert all(end <= start for (_, end), (start, _) in pairwise(places)), f"at kernel {i}"
            assert all(start >= 0 and end <= total for start, end in places)
            live = {v: place for v, place in live.items() if needed.get(v, i) > i}


@pytest.mark.parametrize("fusion", [True, False])
def test_live_values_never_share_a_byte(fusion):
    for seed in range(60):
        rng = random.Random(seed)
        graph = optimize(random_graph(rng, rng.randint(5, 40), gradient=seed % 2 == 0).graph)
        assert_no_overlap(plan(graph, fusion=fusion))


def chain(count, shape="1000"):
    lines = "\n".join(f"  %c{i + 1} = cumsum(%c{i}){{axis=0}}" for i in range(count))
    return parse(f"graph g(%c0: f32[{shape}]) {{\n{lines}\n  return %c{count}\n}}")


def test_a_chain_needs_two_buffers():
    memory = plan(chain(20))
    assert len(memory.kernels.kernels) == 20
    assert memory.peak_bytes({}) == 2 * 4032  # 4000 bytes, rounded up to whole cache lines


def test_memory_grows_with_the_sizes_of_the_call():
    memory = plan(chain(20, "B"))
    for size in (1, 16, 17, 1000):
        assert memory.peak_bytes({"B": size}) == 2 * (-(-size * 4 // 64) * 64)


def test_several_small_values_lie_in_the_place_of_a_large_one():
    memory = plan(parse("""graph g(%x: f32[B,T]) {
      %a = cumsum(%x){axis=0}
      %r = reduce_sum(%a){axes=(1,)}
      %b = cumsum(%r){axis=0}
      %s = reduce_sum(%b){axes=(0,)}
      %y = broadcast(%s){axes=(), shape=(T,T)}
      %z = cumsum(%y){axis=0}
      return %z
    }"""))
    assert_no_overlap(memory)
    # %a [B,T] and %r [B] are in use together, then %r and %b, then %y and %z [T,T]
    assert memory.peak_bytes({"B": 1000, "T": 2}) == 8000 + 4032
    assert memory.peak_bytes({"B": 3, "T": 100}) == 2 * 40000


def test_outputs_keep_their_places():
    memory = plan(parse("""graph g(%x: f32[100]) {
      %a = cumsum(%x){axis=0}
      %b = cumsum(%a){axis=0}
      %c = cumsum(%b){axis=0}
      return %a, %b, %c
    }"""))
    assert memory.peak_bytes({}) == 3 * 448


def test_what_gives_back_memory_runs_first():
    """Each %r folds a large value; run late, they would keep all of them."""
    made = "\n".join(f"  %a{i} = cumsum(%x{i}){{axis=0}}" for i in range(5))
    used = "\n".join(f"  %r{i} = cumsum(%a{i}){{axis=0}}\n  %s{i} = reduce_sum(%r{i}){{axes=(0,)}}" for i in range(5))
    memory = plan(parse(f"graph g({', '.join(f'%x{i}: f32[1000]' for i in range(5))}) {{\n{made}\n{used}\n"
                        f"  return {', '.join(f'%s{i}' for i in range(5))}\n}}"))
    assert_no_overlap(memory)
    assert memory.peak_bytes({}) < 7 * 4032


def test_a_value_that_is_written_in_place_needs_no_memory():
    memory = plan(parse("""graph g(%x: f32[100], %s: f32[100]) {
      %a = add(%x, %s)
      return %a -> %s
    }"""))
    assert memory.lives == {}
    assert memory.peak_bytes({}) == 0


def test_blocks_fill_gaps():
    blocks = [Block(1000, 0, 9), Block(600, 0, 3), Block(300, 4, 6), Block(320, 5, 9), Block(64, 8, 8)]
    offsets, total = lay_out(blocks)
    assert total == 1024 + 640
    assert offsets[2] >= 1024
    assert offsets[3] >= 1024
    assert abs(offsets[2] - offsets[3]) >= 320
