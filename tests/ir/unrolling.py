"""Scans written out step by step: the same graph without loops, for sizes that are known."""

from graphc.ir.bind_dims import BindDims
from graphc.ir.builder import Builder
from graphc.ir.dims import bind


def unrolled(graph, sizes):
    """The graph for these sizes, every scan replaced by its steps."""
    if not any(op.name == "scan" for op in graph.ops):
        return graph
    graph = BindDims(sizes)(graph)
    b = Builder(graph.inputs)
    new = {v: v for v in graph.inputs}
    for op in graph.ops:
        operands = [new[v] for v in op.operands]
        results = _steps(b, op, operands) if op.name == "scan" else b.copy(op, operands).results
        new.update(zip(op.results, results, strict=True))
    flat = b.graph([new[v] for v in graph.outputs], graph.name, graph.donations)
    return unrolled(flat, {})


def _steps(b, op, operands):
    body, carried, sliced = op.attr("body"), op.attr("carried"), op.attr("sliced")
    rows = op.kwargs.get("rows")
    if rows is not None:
        body = BindDims({rows[0]: rows[1]})(body)
    length = bind(op.attr("length"), {})
    state, stacks, rest = operands[:carried], operands[carried:carried + sliced], operands[carried + sliced:]
    made = {}
    for step in reversed(range(length)) if op.attr("reverse") else range(length):
        env = dict(zip(body.inputs, [*state, *(_slice(b, s, step) for s in stacks), *rest], strict=True))
        for inner in body.ops:
            env.update(zip(inner.results, b.copy(inner, [env[v] for v in inner.operands]).results, strict=True))
        outputs = [env[v] for v in body.outputs]
        state, made[step] = outputs[:carried], outputs[carried:]
    if not length:
        return [*state, *(b.full(0, r.type.shape, r.type.dtype) for r in op.results[carried:])]
    columns = zip(*(made[step] for step in range(length)), strict=True)
    return [*state, *(b.emit("concatenate", *(_row(b, v) for v in column), axis=0) for column in columns)]


def _slice(b, stack, step):
    shape = stack.type.shape
    part = b.emit("slice", stack, starts=(step, *(0 for _ in shape[1:])), limits=(step + 1, *shape[1:]),
                  strides=(1,) * len(shape))
    return b.emit("reshape", part, shape=shape[1:])


def _row(b, value):
    return b.emit("reshape", value, shape=(1, *value.type.shape))
