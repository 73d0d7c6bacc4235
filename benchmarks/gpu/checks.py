"""Correctness on the device: ops against float64, training against the CPU target, recorded steps against single ones.

Each stage returns what it found; "failed" lists what is wrong in words.
What does not live here: convolutions (convolutions.py), speed (speed.py).
"""

from typing import Any

import numpy as np

from benchmarks.gpu.convolutions import convolutions
from benchmarks.models import CASES, case_of, data
from graphc import frontend_keras as keras
from graphc.codegen_cuda.emit import CPU_ONLY
from graphc.compiler import compile_graph
from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse
from graphc.passes.choices import Choices
from graphc.runtime_cuda import binding
from tests.ir.samples import SAMPLES, arrays_of, graph_of

LIMITS = {"default": 1e-5, "tf32": 1e-3, "bfloat16": 1e-2}  # of |got - want| / |want|, as norms
LOSS_LIMIT = 1e-3  # of a loss after STEPS steps: rounding errors grow from step to step
STEPS = 20
ALL_MODELS = tuple(CASES)[:7]
TRAINED = ("mlp", "vgg", "stacked", "lstm")
ODD = (1, 31, 33, 257)
PRODUCT = """graph product(%x: f32[B,{k}], %w: f32[{k},{n}], %b: f32[{n}]) {{
  %m = matmul(%x, %w)
  %c = broadcast(%b){{axes=(1,), shape=(B,{n})}}
  %a = add(%m, %c)
  %y = {end}(%a)
  return %y
}}"""
SIZES = ((64, 10), (257, 300), (1000, 72), (4096, 64))


def distance(got: np.ndarray, want: np.ndarray) -> float:
    """Relative, as norms; 0 or infinite for what is no float, and where NaN and infinities differ."""
    if got.dtype.kind != "f":
        return 0.0 if np.array_equal(got, want) else np.inf
    fine = np.isfinite(want)
    if not np.array_equal(np.isfinite(got), fine) or not np.array_equal(got[~fine], want[~fine], equal_nan=True):
        return np.inf
    scale = float(np.linalg.norm(want[fine].astype(np.float64)))
    error = float(np.linalg.norm(got[fine].astype(np.float64) - want[fine]))
    return error / scale if scale else error


def kernels(small: bool) -> dict[str, Any]:
    """Every sample of every op; products and convolutions of odd sizes in every precision that they have."""
    worst: dict[str, float] = {}
    failed = []
    samples = [s for s in SAMPLES if s.op not in CPU_ONLY]
    for sample in samples[::10] if small else samples:
        graph, arrays = graph_of(sample), arrays_of(sample)
        try:
            results = compile_graph(graph, target="cuda")(*arrays)
            error = max(map(distance, results, evaluate(graph, arrays, float64=True)), default=0.0)
        except Exception as problem:
            failed.append(f"{sample.name}: {type(problem).__name__}: {problem}"[:300])
            continue
        worst[sample.op] = max(worst.get(sample.op, 0.0), error)
        if not error < LIMITS["default"]:
            failed.append(f"{sample.name}: {error:.2e}")
    products = _products(small, failed)
    return {"ops": len(worst), "samples": len(samples), "worst": dict(sorted(worst.items(), key=lambda i: -i[1])[:20]),
            "products": products, "convolutions": convolutions(small, LIMITS, distance, failed), "failed": failed}


def _products(small: bool, failed: list[str]) -> dict[str, float]:
    rng = np.random.default_rng(0)
    worst = dict.fromkeys(LIMITS, 0.0)
    for k, n in SIZES[:1] if small else SIZES:
        for end in ("relu", "sigmoid"):
            graph = parse(PRODUCT.format(k=k, n=n, end=end))
            for precision, limit in LIMITS.items():
                f = compile_graph(graph, target="cuda", choices=Choices(precision))
                for rows in ODD:
                    arrays = [rng.normal(size=shape).astype("f4") for shape in ((rows, k), (k, n), (n,))]
                    error = distance(f(*arrays)[0], evaluate(graph, arrays, float64=True)[0])
                    worst[precision] = max(worst[precision], error)
                    if not error < limit:
                        failed.append(f"product {rows}x{k}x{n} {end} in {precision}: {error:.2e}")
    return worst


def trajectories(models: tuple[str, ...]) -> dict[str, Any]:
    """The losses of STEPS training steps beside those of the CPU target, from the same weights."""
    found: dict[str, Any] = {}
    failed = []
    for model in models:
        losses = [_trained(model, target, STEPS)[0] for target in ("cpu", "cuda")]
        apart = np.abs(np.subtract(*losses)) / np.abs(losses[0])
        found[model] = {"first": float(apart[0]), "most": float(apart.max()), "last loss": float(losses[1][-1])}
        if not apart.max() < LOSS_LIMIT:
            failed.append(f"{model}: losses are {apart.max():.2e} apart")
    return {**found, "failed": failed}


def replay(models: tuple[str, ...]) -> dict[str, Any]:
    """Recorded steps leave the same bits in the weights as calls one by one, and as a second run."""
    failed = []
    for model in models:
        recorded, again = (_trained(model, "cuda", 4)[1] for _ in range(2))
        with _one_by_one():
            single = _trained(model, "cuda", 4)[1]
        for what, other in (("call by call", single), ("a second run", again)):
            if not all(a.tobytes() == b.tobytes() for a, b in zip(recorded, other, strict=True)):
                failed.append(f"{model}: {what} gives other bits")
    return {"models": list(models), "failed": failed}


def _trained(model: str, target: str, steps: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Losses and final weights."""
    K, case = keras.backend, case_of(model)
    before = K.target()
    K.clear_session()
    K.set_target(target)
    try:
        np.random.seed(1)
        network = case.build(keras)
        network.compile(loss=case.loss, optimizer="rmsprop", metrics=["accuracy"])
        rng = np.random.default_rng(0)
        network.set_weights([(rng.normal(size=w.shape) * (0.5 / max(w.shape[0], 1) ** 0.5)).astype("f4")
                             for w in network.get_weights()])
        xs, y = data(case, case.batch)
        losses = [np.ravel(network.train_on_batch(xs, y))[0] for _ in range(steps)]
        return np.array(losses), network.get_weights()
    finally:
        K.set_target(before)


class _one_by_one:  # noqa: N801 (used as a function)
    """Inside of it, nothing is recorded."""

    def __enter__(self) -> None:
        self._run = binding.Replayed.run
        binding.Replayed.run = lambda self, key, work: work()  # type: ignore[method-assign]

    def __exit__(self, *error: object) -> None:
        binding.Replayed.run = self._run  # type: ignore[method-assign]

