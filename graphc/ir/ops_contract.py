"""Contractions: sums of products over a shared axis."""

from __future__ import annotations

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir.spec import Kind, define
from graphc.ir.traced import RuleContext, Traced
from graphc.ir.types import TensorType


def _infer_matmul(a: TensorType, b: TensorType) -> TensorType:
    if a.rank < 2 or a.rank != b.rank:
        raise ShapeError("matmul: operands need equal ranks of at least 2", expected="[...,M,K] @ [...,K,N]",
                         got=f"{a} @ {b}")
    if a.dtype is not b.dtype or not a.dtype.is_float:
        raise DTypeError("matmul: operands need one float type", got=f"{a} @ {b}")
    if a.shape[:-2] != b.shape[:-2]:
        raise ShapeError("matmul: leading axes differ", got=f"{a} @ {b}")
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError("matmul: inner sizes differ", expected=f"{a.shape[-1]} rows in the second operand",
                         got=f"{a} @ {b}")
    return a.with_shape((*a.shape[:-1], b.shape[-1]))


def _swap(x: Traced) -> Traced:
    rank = x.type.rank
    return x.transpose(perm=(*range(rank - 2), rank - 1, rank - 2))


def _matmul_vjp(ctx: RuleContext, g: Traced, a: Traced, b: Traced) -> list[Traced]:
    return [g.matmul(_swap(b)), _swap(a).matmul(g)]


def _matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.matmul(a, b)


define("matmul", kind=Kind.CONTRACT, infer=_infer_matmul, reference=_matmul, vjp=_matmul_vjp)
