"""The whole story on one page: what happens to a graph on its way to kernels.

    graph ── SIMPLIFY ──► loops: what need not be in them leaves, and bodies go through all of this themselves
          ──► poolings first, winograd ──► inline composites ──► LEGALIZE, SIMPLIFY ──► weights packed
          ── fuse ──► groups, with a recorded reason for every pair ── make_kernels ──► kernels in order
          ── plan_memory ──► a place for every value

Autodiff is not in here: the frontend asks for gradients while it builds the training graph. What depends
on which inputs are states stands in compiler.py, between optimize and plan: sparse updates, weights packed once.
The order is the tuple in `passes_for`, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass

# The rule files register their rules when they are imported.
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.kernel import KernelKind
from graphc.ir.program import MemoryPlan
from graphc.passes import rules_algebra as rules_algebra
from graphc.passes import rules_channels as rules_channels
from graphc.passes import rules_layout as rules_layout
from graphc.passes.choices import DEFAULT, Choices
from graphc.passes.cse import cse
from graphc.passes.dce import dce
from graphc.passes.fold_constants import fold_constants
from graphc.passes.fuse import fuse
from graphc.passes.inline_composites import inline_composites, inline_once
from graphc.passes.item_loops import item_loops
from graphc.passes.long_sums import long_sums
from graphc.passes.loops import carrying, each_body
from graphc.passes.make_kernels import make_kernels
from graphc.passes.pack_weights import pack_weights
from graphc.passes.plan_memory import plan_memory
from graphc.passes.pools import pool_first, pool_in_winograd
from graphc.passes.rewrite import rewrite
from graphc.passes.rules_legal import legalize
from graphc.passes.rules_winograd import Winograd
from graphc.passes.scan_fission import hoist_invariants, scan_fission
from graphc.passes.scan_prune import merge_scans, prune_scans
from graphc.passes.scan_rows import scan_rows
from graphc.passes.split_sums import split_sums
from graphc.passes.store_outputs import store_outputs
from graphc.passes.sums_of_products import sums_of_products

Pass = Callable[[Graph], Graph]

def passes_for(choices: Choices = DEFAULT) -> tuple[Pass, ...]:
    """The passes of an optimization, in order. On a device nothing is cut to fit a core's caches."""
    if choices.device:
        return (dce, cse, merge_scans, prune_scans, dce, rewrite, dce, Loops(choices), rewrite, dce, inline_composites,
                legalize, fold_constants, rewrite, split_sums, cse, dce, store_outputs)
    return (dce, cse, merge_scans, prune_scans, dce, rewrite, dce, Loops(choices), rewrite, dce, pool_first,
            Winograd(choices), dce, pool_in_winograd, inline_composites, legalize, fold_constants, rewrite, long_sums,
            cse, dce, store_outputs, pack_weights)


SUMS_OVER_ITEMS = ("convolution_gradient",)


@dataclass(frozen=True)
class Loops:
    """Loops: what need not be in them leaves them, and their bodies are optimized like any graph."""

    choices: Choices

    def __call__(self, graph: Graph) -> Graph:
        if any(op.name == "scan" for op in graph.ops):
            for step in (simplify_bodies, prune_scans, scan_fission, prune_scans, dce, sums_of_products):
                graph = step(graph)
        graph = scan_rows(graph)
        if not self.choices.device:
            graph = item_loops(graph)
        graph = each_body(graph, lambda body, op: optimize(carrying(body, op), self.choices))
        return dce(hoist_invariants(graph))


def simplify_bodies(graph: Graph) -> Graph:
    """The bodies of loops without what is dead, double or done in vain.

    Sums over items become products, which leave the loop, where all steps' items are summed at once.
    """
    return each_body(graph, lambda body, op: dce(rewrite(merge_scans(cse(inline_once(dce(body), SUMS_OVER_ITEMS))))))


def optimize(graph: Graph, choices: Choices = DEFAULT, passes: tuple[Pass, ...] | None = None) -> Graph:
    """Run the passes; a failing one adds to its error which passes ran before it."""
    done: list[str] = []
    for step in passes_for(choices) if passes is None else passes:
        name = getattr(step, "__name__", type(step).__name__)
        try:
            graph = step(graph)
        except Exception as error:
            error.add_note(f"in pass {name}, after {', '.join(done) or 'nothing'}, on graph {graph.name} "
                           f"with {len(graph.ops)} ops")
            raise
        done.append(name)
    return graph


def plan(graph: Graph, *, fusion: bool = True, fixed: Set[Value] = frozenset(), device: bool = False) -> MemoryPlan:
    """An optimized graph, cut into kernels, with a place for every value.

    fixed: inputs that change only between calls. device: the kernels are for a GPU.
    """
    kernels = make_kernels(graph, fuse(graph, enabled=fusion, device=device), device=device)
    loops = {kernel: _plan_body(kernel.anchor, fusion, device) for kernel in kernels.kernels
             if kernel.anchor is not None and kernel.kind is KernelKind.SCAN}
    return plan_memory(kernels, fixed, loops)


def _plan_body(op: Op, fusion: bool, device: bool) -> MemoryPlan:
    body: Graph = op.attr("body")
    return plan(body, fusion=fusion, device=device, fixed=set(body.inputs[op.attr("carried") + op.attr("sliced"):]))
