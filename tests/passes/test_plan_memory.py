"""The memory plan: values that live at the same time never share a slot, others do where it pays."""

import random

import pytest

from graphc.ir.dims import symbol
from graphc.ir.parser import parse
from graphc.passes.pipeline import optimize, plan
from tests.passes.random_graphs import random_graph


def assert_no_overlap(memory):
    """Walk the kernels: whoever is still to be read, or is an output, keeps its slot for itself."""
    kernels, graph = memory.kernels.kernels, memory.kernels.graph
    needed = {v: i for i, kernel in enumerate(kernels) for v in kernel.inputs}
    needed.update(dict.fromkeys(graph.outputs, len(kernels)))
    live = {}
    for i, kernel in enumerate(kernels):
        in_place = {kernel.outputs[o] for o, _ in kernel.aliases}
        for value in kernel.outputs:
            if value in in_place:
                assert value not in memory.place
                continue
            slot = memory.place[value]
            holder = live.get(slot)
            assert holder is None or needed[holder] < i, f"{value.type} takes the slot of a value still needed"
            assert value.type.nbytes in memory.slots[slot]
            live[slot] = value
    stored = [v for kernel in kernels for v in kernel.outputs]
    assert len(stored) == len(set(stored))
    assert set(memory.place) <= set(stored)


@pytest.mark.parametrize("fusion", [True, False])
def test_live_values_never_share_a_slot(fusion):
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


def test_slots_grow_with_the_sizes_of_the_call():
    memory = plan(chain(20, "B"))
    for size in (1, 16, 17, 1000):
        assert memory.peak_bytes({"B": size}) == 2 * (-(-size * 4 // 64) * 64)


def test_slots_shared_by_different_sizes_hold_the_largest():
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
    for sizes in ({"B": 3, "T": 100}, {"B": 1000, "T": 2}):
        for value, slot in memory.place.items():
            size = value.type.nbytes
            assert memory.slot_sizes(sizes)[slot] >= (size if isinstance(size, int) else bound(size, sizes))


def bound(size, sizes):
    total = size
    for name, number in sizes.items():
        total = substitute(total, name, number)
    return total


def substitute(size, name, number):
    """By the polynomial's own arithmetic: size at symbol = number, independent of the plan's way."""
    if isinstance(size, int):
        return size
    total = 0
    for monomial, factor in size.terms:
        term = factor
        for atom in monomial:
            term = term * (number if str(atom) == name else symbol(str(atom)))
        total = total + term
    return total


def test_outputs_keep_their_slots():
    memory = plan(parse("""graph g(%x: f32[100]) {
      %a = cumsum(%x){axis=0}
      %b = cumsum(%a){axis=0}
      %c = cumsum(%b){axis=0}
      return %a, %b, %c
    }"""))
    assert len({memory.place[v] for v in memory.kernels.graph.outputs}) == 3


def test_small_values_do_not_sit_in_large_slots():
    memory = plan(parse("""graph g(%x: f32[100000], %y: f32[2000]) {
      %a = cumsum(%x){axis=0}
      %s = reduce_sum(%a){axes=(0,)}
      %b = cumsum(%y){axis=0}
      %t = reduce_sum(%b){axes=(0,)}
      %u = add(%s, %t)
      return %u
    }"""))
    assert_no_overlap(memory)
    assert sum(max(slot) > 100000 for slot in memory.slots) == 1


def test_a_value_that_is_written_in_place_needs_no_slot():
    memory = plan(parse("""graph g(%x: f32[100], %s: f32[100]) {
      %a = add(%x, %s)
      return %a -> %s
    }"""))
    assert memory.place == {}
    assert memory.peak_bytes({}) == 0
