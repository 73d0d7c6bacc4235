"""PyTorch; the first argument is eager or compile. RMSprop works on all weights at once (foreach)."""

import sys
from typing import Any

import torch
from torch import nn

from benchmarks.models import CASES, data
from benchmarks.workers.protocol import THREADS, Prepared, serve
from benchmarks.workers.torch_models import NETS


def prepare(name: str, compiled: bool) -> Prepared:
    case, net = CASES[name], NETS[name]()
    arrays, targets = data(case, case.batch)
    xs, y = [torch.from_numpy(a) for a in arrays], torch.from_numpy(targets)
    one, number = [x[:1].contiguous() for x in xs], torch.zeros(1)
    optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3, alpha=0.9, eps=1e-7, foreach=True)
    loss_of = nn.functional.cross_entropy if case.classes > 1 else nn.functional.binary_cross_entropy_with_logits
    run = torch.compile(net) if compiled else net

    def train() -> Any:
        net.train()
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(run(*xs), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    def infer(inputs: Any) -> Any:
        net.eval()
        with torch.inference_mode():
            return run(*inputs)

    calls = {"train": (train, 1), "infer": (lambda: infer(xs), 1), "infer_one": (lambda: infer(one), 1),
             "call": (lambda: number + 1, 1)}
    return Prepared(train, calls, sum(p.numel() for p in net.parameters()))


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    serve(lambda name: prepare(name, sys.argv[1] == "compile"), torch.__version__)
