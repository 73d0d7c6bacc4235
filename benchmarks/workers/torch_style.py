"""PyTorch; the first argument is eager, compile or graphs (CUDA graphs). RMSprop works on all weights at once."""

import sys
from typing import Any

import torch
from torch import nn

from benchmarks.models import case_of, data
from benchmarks.workers.protocol import DEVICE, PRECISION, THREADS, Prepared, repeated, serve
from benchmarks.workers.torch_models import NETS


def prepare(name: str, mode: str) -> Prepared:
    case, net = case_of(name), NETS[name.partition("@")[0]]().to(DEVICE)
    arrays, targets = data(case, case.batch)
    xs, y = [torch.from_numpy(a).to(DEVICE) for a in arrays], torch.from_numpy(targets).to(DEVICE)
    one, number = [x[:1].contiguous() for x in xs], torch.zeros(1, device=DEVICE)
    optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3, alpha=0.9, eps=1e-7, foreach=True)
    loss_of = nn.functional.cross_entropy if case.classes > 1 else nn.functional.binary_cross_entropy_with_logits
    run, update = net, optimizer.step
    if mode != "eager":
        run = torch.compile(net, mode="reduce-overhead" if mode == "graphs" else None)
        update = torch.compile(optimizer.step) if DEVICE == "cuda" else optimizer.step

    def train() -> Any:
        if mode == "graphs":
            torch.compiler.cudagraph_mark_step_begin()
        net.train()
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(run(*xs), y)
        loss.backward()
        update()
        return loss.detach()

    def infer(inputs: Any) -> Any:
        net.eval()
        with torch.inference_mode():
            return run(*inputs)

    def finished(value: Any) -> Any:
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        return value

    calls = {"train": repeated(train, finished), "infer": repeated(lambda: infer(xs), finished),
             "infer_one": repeated(lambda: infer(one), finished), "call": repeated(lambda: number + 1, finished)}
    return Prepared(train, calls, sum(p.numel() for p in net.parameters()))


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = PRECISION == "tf32"
    serve(lambda name: prepare(name, sys.argv[1]), torch.__version__)
