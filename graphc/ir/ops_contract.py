"""Contractions: sums of products over shared axes.

What does not live here: convolutions and pooling.
"""

from __future__ import annotations

import numpy as np

from graphc.errors import ShapeError
from graphc.ir.checks import FLOATS, check_kind, check_same_dtype
from graphc.ir.spec import Kind, define
from graphc.ir.traced import RuleContext, Traced
from graphc.ir.types import TensorType


def _infer_matmul(a: TensorType, b: TensorType) -> TensorType:
    check_kind("matmul", FLOATS, a, b)
    check_same_dtype("matmul", a, b)
    if a.rank < 2 or b.rank != a.rank:
        raise ShapeError("matmul: operands of unfit ranks", expected="[...,M,K] and [...,K,N] of equal rank",
                         got=f"{a} and {b}", fix="Reshape or broadcast one of them.")
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError("matmul: inner sizes differ", expected=f"{a.shape[-1]} rows in the second operand",
                         got=f"{a} and {b}")
    if a.shape[:-2] != b.shape[:-2]:
        raise ShapeError("matmul: leading sizes differ", expected="equal ones", got=f"{a} and {b}",
                         fix="Broadcast them first.")
    return a.with_shape((*a.shape[:-1], b.shape[-1]))


def _flip(x: Traced) -> Traced:
    """The last two axes swapped."""
    n = len(x.shape)
    return x.transpose(perm=(*range(n - 2), n - 1, n - 2))


def _matmul_vjp(ctx: RuleContext, g: Traced, a: Traced, b: Traced) -> list[Traced]:
    return [g.matmul(_flip(b)), _flip(a).matmul(g)]


def _infer_split_matmul(a: TensorType, b: TensorType, *, parts: int) -> TensorType:
    if a.rank != 2:
        raise ShapeError("split_matmul: needs matrices", expected="[M,K] and [K,N]", got=f"{a} and {b}")
    if not isinstance(parts, int) or parts < 1:
        raise ShapeError("split_matmul: no such number of parts", expected="at least 1", got=parts)
    whole = _infer_matmul(a, b)
    return whole.with_shape((parts, *whole.shape))


def _split_matmul(a: np.ndarray, b: np.ndarray, *, parts: int) -> np.ndarray:
    """[parts,M,N]: the products over ceil(K / parts) terms each, of which the last may have fewer or none."""
    terms = -(-a.shape[1] // parts)
    return np.stack([a[:, p * terms:(p + 1) * terms] @ b[p * terms:(p + 1) * terms] for p in range(parts)])


MATMUL = define("matmul", kind=Kind.CONTRACT, infer=_infer_matmul, reference=np.matmul, vjp=_matmul_vjp)
SPLIT_MATMUL = define("split_matmul", kind=Kind.CONTRACT, infer=_infer_split_matmul, reference=_split_matmul)
