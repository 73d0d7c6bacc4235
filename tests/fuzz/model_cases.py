"""Random models as cases: training steps, gradients, prediction; each compiled and compared with float64.

A result is right where it is close to the one in float64, or where its errors, root mean square, are at most twice those
of the reference in float32, which computes op by op.

What does not live here: the models (models.py), graphs alone (cases.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from graphc.compiler import compile_graph
from graphc.frontend_keras import backend as K
from graphc.ir import Graph, evaluate
from tests.codegen_cpu.agreement import State, assert_same_bits
from tests.fuzz.cases import STEPS, Case, accepted, shared_kernels
from tests.fuzz.models import Built, random_model

RTOL, ATOL, TIMES = 1e-4, 1e-5, 2.0
COUNTS = (1, 2)
NUMBERS = 3  # how often the weights and arrays of a model are drawn


def models(seed: int) -> Iterator[tuple[Case, Callable[[Case], None]]]:
    """Training, the gradients of all weights in one of the phases, prediction; fused, and every fourth unfused too."""
    for numbers in range(NUMBERS):
        built = random_model(seed, numbers)
        check = partial(close, fusions=(True, False) if seed % 4 == 0 else (True,))
        yield training(built), check
        yield gradients(built, phase=int((seed + numbers) % 3 > 0)), check
        predicted = prediction(built)
        yield predicted, check
        yield predicted, partial(alone, built=built)


def training(built: Built) -> Case:
    """Loss, metrics, and the new weights and slots of a step; a case with states."""
    return _case(built.model._function("train"), [*built.inputs, *built.targets])


def gradients(built: Built, phase: int) -> Case:
    """The gradients of the loss by all trainable weights, sample weights being given."""
    model = built.model
    feeds = [*model.inputs, *model.targets, *model.sample_weights]
    rng = np.random.default_rng(0)
    arrays = [*built.inputs, *built.targets, *(rng.uniform(0.5, 2, len(built.inputs[0])).astype("f4")
                                               for _ in model.sample_weights)]
    found = K.gradients(model.total_loss, model.trainable_weights)
    outputs = [model.total_loss, *(g for g in found if g is not None)]
    if not isinstance(K.learning_phase(), int):
        feeds, arrays = [*feeds, K.learning_phase()], [*arrays, np.asarray(phase)]
    return _case(K.function(feeds, outputs), arrays)


def prediction(built: Built) -> Case:
    return _case(built.model._function("predict"), built.inputs)


def _case(function, arrays) -> Case:
    graph, states = function.graph_and_states()
    given = [np.asarray(a, v.type.dtype.numpy) for a, v in zip(arrays, graph.inputs, strict=False)]
    return Case(graph, [*given, *(np.array(state.array) for state in states)])


# ---- checks


def close(case: Case, fusions: tuple[bool, ...] = (True,)) -> None:
    """STEPS steps from the same states: what they return and leave is right, and the same on one and two threads."""
    accepted(case)
    wanted, plain = trajectory(case, float64=True), trajectory(case, float64=False)
    with shared_kernels() as set_threads:
        for fusion in fusions:
            runs = []
            for count in COUNTS:
                set_threads(count)
                runs.append(compiled_trajectory(case, fusion))
            for i, (got, want, rough) in enumerate(zip(runs[0], wanted, plain, strict=True)):
                assert_close(got, want, rough, f"fusion={fusion}, result {i} of {len(wanted)}")
            assert_same_bits(runs[0], runs[1])


def trajectory(case: Case, *, float64: bool) -> list[np.ndarray]:
    """The results of all steps that go nowhere, stacked, then the states in the end, by the reference."""
    arrays, donated, trace = list(case.arrays), dict(case.graph.donations), []
    for _ in range(_steps(case.graph)):
        results = evaluate(case.graph, arrays, float64=float64)
        trace.append([r for o, r in enumerate(results) if o not in donated])
        for output, state in donated.items():
            arrays[state] = results[output]
    return [*(np.stack(column) for column in zip(*trace, strict=True)), *(arrays[i] for i in sorted(case.states))]


def compiled_trajectory(case: Case, fusion: bool) -> list[np.ndarray]:
    states = {i: State(case.arrays[i]) for i in sorted(case.states)}
    f = compile_graph(case.graph, states, fusion=fusion)
    given = [a for i, a in enumerate(case.arrays) if i not in states]
    trace = [f(*given) for _ in range(_steps(case.graph))]
    return [*(np.stack(column) for column in zip(*trace, strict=True)), *(state.array for state in states.values())]


def _steps(graph: Graph) -> int:
    return STEPS if graph.donations else 1


def assert_close(got: np.ndarray, want: np.ndarray, rough: np.ndarray, what: str) -> None:
    assert got.shape == want.shape, what
    if got.dtype.kind != "f":
        np.testing.assert_array_equal(got, want, what)
        return
    if np.allclose(got, want, rtol=RTOL, atol=ATOL, equal_nan=True):
        return
    error, usual = (float(np.sqrt(np.mean(np.square(x.astype(float) - want)))) for x in (got, rough))
    assert error <= TIMES * usual + RTOL / 10, f"{what}: errors of {error:.3g}, those of the reference in float32 are {usual:.3g}"


def alone(case: Case, built: Built) -> None:
    """Model.predict of a batch is K.function's result, and that of each sample by itself."""
    model, count = built.model, len(built.inputs[0])
    whole = _listed(model.predict(built.inputs, batch_size=count))
    function = K.function([*model.inputs, K.learning_phase()], model.outputs)
    direct = function([*built.inputs, 0])
    rows = [_listed(model.predict([x[i:i + 1] for x in built.inputs])) for i in range(count)]
    for i, (want, got) in enumerate(zip(whole, direct, strict=True)):
        np.testing.assert_allclose(got, want, rtol=RTOL, atol=ATOL)
        np.testing.assert_allclose(np.concatenate([row[i] for row in rows]), want, rtol=RTOL, atol=ATOL)


def _listed(results):
    return results if isinstance(results, list) else [results]
