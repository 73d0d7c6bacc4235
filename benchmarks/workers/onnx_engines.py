"""Inference engines on the models as ONNX files; the first argument is onnxruntime or openvino.

PyTorch writes the files, with a batch of any size. What does not live here: training; engines have none.
"""

import importlib
import io
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.models import CASES, data
from benchmarks.workers.protocol import THREADS, Prepared, serve
from benchmarks.workers.torch_models import NETS

Run = Callable[[dict[str, np.ndarray]], Any]


def exported(net: Any, xs: list[np.ndarray]) -> bytes:
    """The model as an ONNX file, inputs named x0, x1, ..."""
    names = [f"x{i}" for i in range(len(xs))]
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net.eval(), tuple(torch.from_numpy(x) for x in xs), file, dynamo=False, input_names=names,
                          dynamic_axes={name: {0: "batch"} for name in names})
    return file.getvalue()


def onnxruntime(model: bytes) -> Run:
    engine = importlib.import_module("onnxruntime")
    options = engine.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = engine.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda feed: session.run(None, feed)


def openvino(model: bytes) -> Run:
    core = importlib.import_module("openvino").Core()
    compiled = core.compile_model(core.read_model(model), "CPU", {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": THREADS})
    return compiled.create_infer_request().infer


ENGINES = {"onnxruntime": onnxruntime, "openvino": openvino}


def prepare(name: str, engine: str) -> Prepared:
    case, net = CASES[name], NETS[name]()
    xs, _ = data(case, case.batch)
    run = ENGINES[engine](exported(net, xs))
    batch = {f"x{i}": x for i, x in enumerate(xs)}
    one = {key: np.ascontiguousarray(x[:1]) for key, x in batch.items()}
    calls = {"infer": (lambda: run(batch), 1), "infer_one": (lambda: run(one), 1)}
    return Prepared(None, calls, sum(p.numel() for p in net.parameters()))


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    serve(lambda name: prepare(name, sys.argv[1]), importlib.import_module(sys.argv[1]).__version__)
