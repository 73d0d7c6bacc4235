"""Scans as a family of random graphs: a body grown by the same families, over carried values and slices.

What does not live here: the families that grow the body (op_families.py, layer_families.py).
"""

from graphc.ir import F32, Builder, TensorType
from graphc.ir.spec import op_spec
from tests.fuzz.maker import LARGEST, Maker

STEPS = 8  # at most: every step is unrolled where bounds are followed


class BodyMaker(Maker):
    """Grows the body of a scan. What a body needs beside its operands is an input of the whole graph, which every step
    reads."""

    def __init__(self, outer):
        self.rng, self.b = outer.rng, Builder()
        self.values, self.size, self.makers = [], {}, []
        self.dims, self.sizes = outer.dims, outer.sizes
        self.outer, self.rest = outer, {}

    def input(self, type_, top=None):
        operand = self.outer.input(type_, top)
        value = self.known(self.b.input(type_, operand.hint), self.outer.size[operand])
        self.rest[value] = operand
        return value


def scan(m, families):
    """A scan of one carried value or two, or of none; its results are as large as what the body makes."""
    stack = m.pick(lambda v: v.type.dtype == F32 and v.type.rank >= 2 and m.elements(v.type.shape[:1]) <= STEPS)
    if stack is None or m.elements(stack.type.shape) > LARGEST // 8:
        return
    length, rng = stack.type.shape[0], m.rng
    stacks = [stack] if rng.random() < 0.7 else [stack, m.pick(
        lambda v: v.type.rank >= 1 and v.type.shape[0] == length) or stack]
    body = BodyMaker(m)
    starts = [_start(m, stack) for _ in range(rng.choice([0, 1, 1, 1, 2]))]
    inner = [body.known(body.b.input(v.type, "h"), 2.0) for v in starts]
    inner += [body.known(body.b.input(v.type.with_shape(v.type.shape[1:]), "x"), m.size[v]) for v in stacks]
    for _ in range(rng.randint(1, 4)):
        rng.choice(families)(body)
    nexts = [_next(body, h, inner[len(starts) + i % len(stacks)]) for i, h in enumerate(inner[:len(starts)])]
    computed = [v for op in body.b.ops for v in op.results if v in body.size and v not in nexts] or nexts
    stacked = [rng.choice(computed)] if computed and (not nexts or rng.random() < 0.8) else []
    if not nexts and not stacked:
        return
    attrs = {"body": body.b.graph([*nexts, *stacked], "step"), "carried": len(starts), "sliced": len(stacks),
             "length": length, "reverse": rng.random() < 0.5}
    made = m.b.emit_op(op_spec("scan"), [*starts, *stacks, *body.rest.values()], attrs)
    for result, value in zip(made.results, [*nexts, *stacked], strict=True):
        m.known(result, body.size[value])


def _start(m, stack):
    """A value that a scan begins with: of the slices' type, or of another."""
    wanted = stack.type.with_shape(stack.type.shape[1:])
    found = m.pick(lambda v: v.type == wanted) if m.rng.random() < 0.5 else None
    return m.squeezed(found or m.input(wanted if m.rng.random() < 0.7 else TensorType(F32, m.shape(1, 2))), 2.0)


def _next(body, h, x):
    """A carried value's next: one of its type that was made of it or beside it, kept small."""
    found = body.pick(lambda v: v.type == h.type and v is not h)
    if found is None or body.rng.random() < 0.4:
        half = body.known(body.b.full_like(0.5, h), 0.5)
        kept = body.emit("multiply", h, half, bound=1.0)
        found = body.emit("add", kept, found if found is not None else half, bound=body.size[found or half] + 1.0)
    return body.squeezed(found, 2.0)

