"""Random graphs with states: inputs that an output's value replaces after each step.

What does not live here: the graphs (graphs.py), running them (cases.py).
"""

from graphc.ir import BOOL, Builder, Graph


def with_states(graph: Graph, rng) -> Graph:
    """The graph, some of whose inputs take a value of their type, or something made of both, as their new value.

    Every symbol stays an axis of an input that is no state. A value may be given to several states, stand among the
    outputs too, or be another state's old value. Indices are no states: they would leave their range.
    """
    b = Builder(graph.inputs)
    for op in graph.ops:
        b.add_existing(op)
    outputs, donations, states = list(graph.outputs), [], set()
    indices = {op.operands[1] for op in graph.ops if op.name in ("gather", "gather_grad")}
    for i in rng.sample(range(len(graph.inputs)), len(graph.inputs)):
        old = graph.inputs[i]
        if rng.random() < 0.4 or old in indices or not _told(graph, old.type.symbols, {*states, i}):
            continue
        fitting = [v for v in (*graph.inputs, *(r for op in graph.ops for r in op.results)) if v.type == old.type]
        states.add(i)
        donations.append((len(outputs), i))
        outputs.append(_next(b, rng, old, rng.choice(fitting)))
    return b.graph(outputs, graph.name, donations)


def _told(graph, names, states):
    """Whether inputs that are no states have each symbol as an axis."""
    axes = {str(dim) for i, v in enumerate(graph.inputs) if i not in states for dim in v.type.shape}
    return names <= axes


def _next(b, rng, old, new):
    """A new value for `old`: one that exists, or one that reads the old value where it writes, and stays small."""
    way = rng.random()
    if way < 0.3:
        return new
    if old.type.dtype == BOOL:
        return b.emit("logical_xor", old, new)
    if not old.type.dtype.is_float:
        return b.emit("minimum" if way < 0.6 else "maximum", old, new)
    half = b.full(0.5, old.type.shape, old.type.dtype)
    kept = b.emit("multiply", old, half)
    return b.emit("add" if way < 0.6 else "subtract", kept, b.emit("tanh", new))
