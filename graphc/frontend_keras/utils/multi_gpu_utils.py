"""multi_gpu_model, which graphc does not have.

What does not live here: anything that computes.
"""

from __future__ import annotations

from typing import Any, NoReturn

from graphc.errors import ArgumentError

__all__ = ["multi_gpu_model"]


def multi_gpu_model(model: Any, gpus: Any = None, cpu_merge: bool = True, cpu_relocation: bool = False) -> NoReturn:
    """Always raises ArgumentError (a ValueError), as Keras does on a machine with one GPU: use the model itself."""
    raise ArgumentError("graphc runs a model on one device, so that there is nothing to divide a batch among",
                        where="multi_gpu_model", got=f"gpus={gpus!r}",
                        fix="Use the model itself: all cores take part on the CPU, and "
                            "K.set_target(\"cuda\") takes one GPU.")
