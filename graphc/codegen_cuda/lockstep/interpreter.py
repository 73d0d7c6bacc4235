"""The statements and expressions of a kernel, each taken by all active threads together.

What does not live here: memory and its checks (threads.py), scalar functions (functions.py).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.codegen_cuda.lockstep.functions import bfloat16_pair, dtype_of_name, low_bits, meaning_of, promoted
from graphc.codegen_cuda.lockstep.threads import POISON, Array, Memory, Threads

WARP = 32
_BINARY: dict[type, Callable[..., Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.true_divide, ast.BitAnd: np.bitwise_and,
    ast.BitOr: np.bitwise_or, ast.BitXor: np.bitwise_xor, ast.RShift: np.right_shift, ast.LShift: np.left_shift}
_COMPARISONS: dict[type, Callable[..., Any]] = {
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal, ast.Eq: np.equal,
    ast.NotEq: np.not_equal}


class Run(Threads):
    """Some blocks of a launch, all their threads in step."""

    def run(self) -> None:
        with np.errstate(all="ignore"):
            self.execute(self.kernel.body)

    # ---- statements

    def execute(self, body: Sequence[ast.stmt]) -> None:
        for node in body:
            self.line = node.lineno
            if isinstance(node, ast.Assign):
                self.assign(node.targets[0], node.value)
            elif isinstance(node, ast.If):
                condition = self.lanes(self.value(node.test)).astype(bool)
                self.within(condition, node.body)
                if node.orelse:
                    self.within(~condition, node.orelse)
            elif isinstance(node, ast.While):
                self.loop(node)
            elif isinstance(node, ast.Expr):
                self.value(node.value)
            elif not isinstance(node, ast.Pass):
                raise self.fault(f"a statement that kernels do not have: {type(node).__name__}")

    def within(self, condition: Array, body: Sequence[ast.stmt]) -> None:
        """Run `body` for the lanes where the condition holds."""
        mask, every = self.mask, self.all
        self.mask = mask & condition
        self.all = every and bool(condition.all())
        if self.mask.any():
            self.execute(body)
        self.mask, self.all = mask, every

    def loop(self, node: ast.While) -> None:
        mask, every = self.mask, self.all
        while True:
            self.line = node.lineno
            condition = self.lanes(self.value(node.test)).astype(bool)
            self.mask = self.mask & condition
            self.all = self.all and bool(condition.all())
            if not self.mask.any():
                break
            self.execute(node.body)
        self.mask, self.all = mask, every

    def assign(self, target: ast.expr, given: ast.expr) -> None:
        if isinstance(given, ast.Call) and ast.unparse(given.func) == "cuda.shared.array":
            assert isinstance(target, ast.Name)
            self.share(target.id, given)
            return
        value = self.value(given)
        if isinstance(target, ast.Tuple):
            for one, part in zip(target.elts, value, strict=True):
                assert isinstance(one, ast.Name)
                self.bind(one.id, part)
        elif isinstance(target, ast.Name):
            self.bind(target.id, value)
        elif isinstance(target, ast.Subscript):
            assert isinstance(target.value, ast.Name)
            self.store(self.memories[target.value.id], self.value(target.slice), value)
        else:
            raise self.fault("an assignment that kernels do not have")

    def bind(self, name: str, value: Any) -> None:
        old = self.names.get(name)
        if old is not None and np.asarray(old).dtype != np.asarray(value).dtype:
            raise self.fault(f"{name} changes its type", expected=np.asarray(old).dtype, got=np.asarray(value).dtype)
        if self.all:
            self.names[name] = value
            return
        value = self.lanes(value)
        if old is None:
            old = np.full(self.count, POISON[value.dtype.kind]).astype(value.dtype)
        self.names[name] = np.where(self.mask, value, old)

    def share(self, name: str, call: ast.Call) -> None:
        if name in self.memories:
            raise self.fault(f"{name} is a shared array already")
        count, dtype = ast.literal_eval(call.args[0]), np.dtype(dtype_of_name(ast.unparse(call.args[1])))
        data = np.full((self.blocks, count), POISON[dtype.kind]).astype(dtype)
        self.memories[name] = Memory(name, data, shared=True)

    # ---- expressions


    def value(self, node: ast.expr) -> Any:
        made = self._value(node)
        if not self.kernel.double and isinstance(made, np.ndarray | np.generic) and made.dtype == np.float64:
            raise self.fault("a number becomes a float64")
        return made

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            if node.id not in self.names:
                raise self.fault(f"{node.id} has no value yet")
            return self.names[node.id]
        if isinstance(node, ast.Constant):
            known: Any = node.value
            return np.bool_(known) if isinstance(known, bool) else np.int64(known)
        if isinstance(node, ast.BinOp):
            return _BINARY[type(node.op)](promoted(self.value(node.left)), promoted(self.value(node.right)))
        if isinstance(node, ast.UnaryOp):
            value = self.value(node.operand)
            return np.logical_not(value) if isinstance(node.op, ast.Not) else np.negative(value)
        if isinstance(node, ast.Compare):
            return self.compare(node)
        if isinstance(node, ast.BoolOp):
            return self.logic(node)
        if isinstance(node, ast.IfExp):
            return np.where(self.value(node.test), self.value(node.body), self.value(node.orelse))
        if isinstance(node, ast.Subscript):
            assert isinstance(node.value, ast.Name)
            return self.load(self.memories[node.value.id], self.value(node.slice))
        if isinstance(node, ast.Attribute):
            return self.coordinate(ast.unparse(node))
        if isinstance(node, ast.Call):
            return self.call(node)
        raise self.fault(f"an expression that kernels do not have: {type(node).__name__}")

    def compare(self, node: ast.Compare) -> Any:
        left, result = self.value(node.left), None
        for operator, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.value(right_node)
            one = _COMPARISONS[type(operator)](left, right)
            result, left = one if result is None else result & one, right
        return result

    def logic(self, node: ast.BoolOp) -> Any:
        """The later operands only where the earlier ones leave it open, as threads do."""
        mask, every = self.mask, self.all
        result = self.lanes(self.value(node.values[0])).astype(bool)
        for operand in node.values[1:]:
            open_ = result if isinstance(node.op, ast.And) else ~result
            self.mask, self.all = mask & open_, False
            if self.mask.any():
                value = self.lanes(self.value(operand)).astype(bool)
                result = np.where(self.mask, value, result)
            self.mask, self.all = mask, every
        return result

    def coordinate(self, text: str) -> Any:
        if text == "cuda.threadIdx.x":
            return self.thread
        if text == "cuda.blockIdx.x":
            return self.block_number
        if text == "cuda.gridDim.x":
            return np.int64(self.grid)
        raise self.fault(f"no such coordinate: {text}")

    def call(self, node: ast.Call) -> Any:
        name = ast.unparse(node.func)
        if name == "cuda.syncthreads":
            self.barrier()
            return None
        if name in ("load4", "store4"):
            return self.four(name, node)
        values = [self.value(argument) for argument in node.args]
        if name in ("mma_tf32", "mma_bfloat16"):
            return self.matrices(name, values)
        if name.startswith("cuda."):
            return self.exchange(name, values)
        if name == "index32":
            return self.narrow(values[0])
        if name in ("quotient", "rest"):
            wrong = self.mask & ((self.lanes(values[0]) < 0) | (self.lanes(values[1]) <= 0))
            if wrong.any():
                raise self.fault("a division that threads do without signs", wrong)
        if dtype_of_name(name) is not None:
            return np.asarray(values[0]).astype(dtype_of_name(name))
        return self.apply(meaning_of(name), values)

    def apply(self, function: Callable[..., Any], values: Sequence[Any]) -> Any:
        """A function of the active lanes' values; the others' may be anything."""
        if self.all or all(np.ndim(value) == 0 for value in values):
            return function(*values)
        made = np.asarray(function(*(self.lanes(value)[self.mask] for value in values)))
        if made.ndim > 1 or made.shape != (np.count_nonzero(self.mask),):
            return tuple(made) if made.ndim > 1 else made
        whole = np.full(self.count, POISON[made.dtype.kind]).astype(made.dtype)
        whole[self.mask] = made
        return whole

    def narrow(self, value: Any) -> Any:
        """A number of 32 bits, kept in 64 as Numba does in arithmetic. Raises KernelError for one that does not fit."""
        whole = np.asarray(value).astype(np.int64)
        wrong = self.lanes(np.abs(whole) >= 1 << 31) & self.mask
        if wrong.any():
            raise self.fault("a number that 32 bits do not hold", wrong, got=int(self.lanes(whole)[wrong][0]))
        return whole

    def four(self, name: str, node: ast.Call) -> Any:
        """Four neighbours as one access, which must begin at a multiple of four."""
        pointer = node.args[0]
        assert isinstance(pointer, ast.Name)
        memory, index = self.memories[pointer.id], self.lanes(self.value(node.args[1]))
        crooked = self.mask & (index % 4 != 0)
        if crooked.any():
            raise self.fault("four neighbours that do not begin at a multiple of four", crooked,
                             got=int(index[crooked][0]))
        if name == "load4":
            return tuple(self.load(memory, index + i) for i in range(4))
        for i, value in enumerate(node.args[2:]):
            self.store(memory, index + i, self.value(value))
        return None

    def whole_warps(self) -> None:
        active = self.mask.reshape(-1, min(WARP, self.kernel.threads))
        if (active.any(axis=1) != active.all(axis=1)).any() or self.kernel.threads % WARP:
            raise self.fault("an exchange that not all threads of a warp take part in")

    def matrices(self, name: str, values: Sequence[Any]) -> tuple[Array, ...]:
        """A tensor-core instruction: each warp's threads hold parts of a[16,k], b[k,8] and c[16,8].

        Which parts: PTX ISA, "Matrix Fragments for mma.m16n8k8" and "m16n8k16". The terms are summed in float64.
        """
        self.whole_warps()
        held = [self.lanes(value).reshape(-1, 8, 4) for value in values]  # warp, group, member of the group
        if name == "mma_tf32":
            wrong = self.mask & np.logical_or.reduce([low_bits(value).reshape(-1) for value in held[:6]])
            if wrong.any():
                raise self.fault("an operand that is no tf32", wrong)
            held = [v[..., None] for v in held[:6]] + held[6:]
        else:
            held = [np.stack(bfloat16_pair(v), axis=-1) for v in held[:6]] + held[6:]
        held = [v.astype(np.float64) for v in held]
        warps, width = len(held[0]), held[0].shape[-1]
        a = np.stack([np.stack(held[0:4:2], 2), np.stack(held[1:4:2], 2)], 1).reshape(warps, 16, 8 * width)
        b = np.stack(held[4:6], 2).reshape(warps, 8, 8 * width)
        with np.errstate(all="ignore"):
            c = np.einsum("wmk,wnk->wmn", a, b).reshape(warps, 2, 8, 4, 2)
            made = [(c[:, r // 2, :, :, r % 2] + held[6 + r]).astype(np.float32).reshape(-1) for r in range(4)]
        return tuple(made)

    def exchange(self, name: str, values: Sequence[Any]) -> Any:
        """Shuffles and votes of a warp."""
        self.whole_warps()
        lane = self.thread % WARP
        base = np.arange(self.count) - lane
        if name == "cuda.shfl_xor_sync":
            return self.lanes(values[1])[base + (lane ^ int(values[2]))]
        if name == "cuda.ballot_sync":
            bits = (self.lanes(values[1]).astype(np.int64) << lane).reshape(-1, WARP).sum(axis=1)
            return np.repeat(bits, WARP)
        raise self.fault(f"no such exchange: {name}")
