"""PyTorch, eager or compiled (the argument), on two threads."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from torch import nn

from benchmarks.measure import fastest
from benchmarks.models import SIZES
from benchmarks.workers.protocol import serve

torch.set_num_threads(2)
MODE = sys.argv[1]


def prepare(name):
    sizes, batch, dropout = SIZES[name]
    parts = []
    for i, (m, n) in enumerate(zip(sizes, sizes[1:])):
        parts.append(nn.Linear(m, n))
        if i + 2 < len(sizes):
            parts += [nn.ReLU(), nn.Dropout()] if dropout else [nn.ReLU()]
    model = nn.Sequential(*parts)
    random = np.random.RandomState(0)
    x = torch.from_numpy(random.rand(batch, sizes[0]).astype("float32"))
    y = torch.from_numpy(np.eye(sizes[-1], dtype="float32")[random.randint(sizes[-1], size=batch)])
    one, run = x[:1].contiguous(), torch.compile(model) if MODE == "compile" else model
    optimizer = torch.optim.RMSprop(model.parameters(), foreach=True)

    def train():
        model.train()
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(run(x), y).backward()
        optimizer.step()

    def infer(rows):
        model.eval()
        with torch.inference_mode():
            return run(rows)

    calls = {"train_on_batch": train, "predict_on_batch": lambda: infer(x), "predict_one": lambda: infer(one)}
    for call in calls.values():
        call()
        call()
    return lambda seconds: {key: fastest(call, seconds / len(calls)) for key, call in calls.items()}


serve(prepare, torch.__version__)
