"""What a certificate is about: the graph of a model together with its gradients.

    training step    the loss's gradients by the trainable weights, as the optimizer gets them
    a compiled model its outputs, the loss in the phase of inference, and its gradients by weights and float inputs
    anything else    its outputs, and the gradients of the sum of outputs times random cotangents, which are further
                     inputs (a plain sum would say nothing of a softmax: it is 1)

What does not live here: differentiation (passes/autodiff.py), the plain graphs (models.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from graphc.cli.models import compile_for_training, graph_and_states, lowered, training_step
from graphc.errors import NotDifferentiableError
from graphc.ir.builder import Builder
from graphc.ir.graph import Graph, Value
from graphc.ir.types import TensorType
from graphc.passes.autodiff import gradients

LOSS = "the loss"
LOSS_IN_TRAINING = "the loss of the training step"
PROJECTION = "the sum of all float outputs, each times a random cotangent"


@dataclass(frozen=True)
class Subject:
    """graph: with all gradients as outputs. plain: as `graphc dump-ir` shows it. loss: the number of the output that is
    the loss. gradients: for each input by which there is one, its position and the number of the output. of: what was
    differentiated, or why nothing was."""

    graph: Graph
    plain: Graph
    states: Mapping[int, Any]
    of: str
    loss: int | None = None
    gradients: Mapping[int, int] = field(default_factory=dict)


def subject_of(loaded: Any, train: bool = False, optimizer: str | None = None, loss: str | None = None) -> Subject:
    """The graph of what was loaded, with its gradients. Raises ArgumentError as `graph_and_states` does."""
    if train and not isinstance(loaded, Graph):
        compile_for_training(loaded, optimizer, loss)
        return _training(loaded)
    plain, states = graph_and_states(loaded, train, optimizer, loss)
    if not isinstance(loaded, Graph) and getattr(loaded, "optimizer", None) is not None:
        return _with_loss(loaded, plain)
    floats = [i for i, v in enumerate(plain.inputs) if v.type.dtype.is_float]
    return _differentiated(Subject(plain, plain, states, PROJECTION), floats)


def plain_subject(loaded: Any, train: bool = False, optimizer: str | None = None, loss: str | None = None) -> Subject:
    """The graph of what was loaded, without gradients."""
    graph, states = graph_and_states(loaded, train, optimizer, loss)
    return Subject(graph, graph, states, "none")


def _training(model: Any) -> Subject:
    """The step; the gradients by the weights are values of it already, and become outputs."""
    with _noting_gradients(model.optimizer) as found:
        step = training_step(model)
    plain, shown = lowered(step)[0], len(step.outputs)
    step.outputs = [*step.outputs, *found.values()]
    graph, states = lowered(step)
    places = {id(state): position for position, state in states.items()}
    return Subject(graph, plain, states, LOSS_IN_TRAINING, 0,
                   {places[id(w)]: shown + number for number, w in enumerate(found)})


@contextmanager
def _noting_gradients(optimizer: Any) -> Iterator[dict[Any, Any]]:
    """While it lasts: the gradients that the optimizer makes, clipped where it clips, by their weights."""
    noted: dict[Any, Any] = {}
    make = optimizer.get_gradients

    def get_gradients(loss: Any, params: Any) -> Any:
        made = make(loss, params)
        noted.update(zip(params, made, strict=True))
        return made

    optimizer.get_gradients = get_gradients
    try:
        yield noted
    finally:
        del optimizer.get_gradients


def _with_loss(model: Any, plain: Graph) -> Subject:
    backend, functions = (import_module(f"graphc.frontend_keras.{name}") for name in ("backend", "engine.functions"))
    test = functions.ModelFunctions(model).special(functions.TEST)
    graph, states = lowered(backend.function(test.inputs, [*model.outputs, model.total_loss], name=model.name,
                                             givens=test.givens))
    weights = {id(w) for w in model.trainable_weights}
    wanted = [i for i, v in enumerate(graph.inputs) if v.type.dtype.is_float
              and (id(states[i]) in weights if i in states else i < len(model._feed_inputs))]
    return _differentiated(Subject(graph, plain, states, LOSS, len(model.outputs)), wanted)


def _differentiated(subject: Subject, wanted: list[int]) -> Subject:
    """With the gradients by the inputs at these positions, of the loss or, without one, of the projection."""
    graph = subject.graph
    builder = Builder(graph.inputs)
    for op in graph.ops:
        builder.add_existing(op)
    ends = [v for i, v in enumerate(graph.outputs)
            if v.type.dtype.is_float and (subject.loss is None or i == subject.loss)]
    if subject.loss is None:
        cotangents = [builder.input(TensorType(v.type.dtype, v.type.shape), f"cotangent_{number}")
                      for number, v in enumerate(ends)]
    else:
        cotangents = [builder.full_like(1.0, v) for v in ends]
    try:
        found = gradients(builder, graph.ops, ends, cotangents, [graph.inputs[i] for i in wanted])
    except NotDifferentiableError as error:
        return Subject(graph, subject.plain, subject.states, f"none: {error}", subject.loss)
    kept = {i: value for i, value in zip(wanted, found, strict=True) if value is not None}
    outputs: list[Value] = [*graph.outputs, *kept.values()]
    return Subject(builder.graph(outputs, graph.name, graph.donations), subject.plain, subject.states, subject.of,
                   subject.loss, {i: len(graph.outputs) + number for number, i in enumerate(kept)})
