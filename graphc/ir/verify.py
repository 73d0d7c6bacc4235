"""The verifier: does a graph keep its own rules?

Every value is defined once and before its use; every op's type rule, run again, gives the types that are
written there; attributes are sorted and of known kinds; donations fit. Rules of single ops live with the ops.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from math import prod

from graphc.errors import GraphcError, VerifyError
from graphc.ir.attributes import MAX_RANK, attribute_text
from graphc.ir.dims import SymExpr
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.printer import names_of, op_text
from graphc.ir.spec import op_spec, registered_ops
from graphc.ir.types import DType, TensorType

MAX_BYTES = 2**63 - 1  # of one value


def verify(graph: Graph) -> None:
    """Raise VerifyError for the first rule that the graph breaks; the message shows the op.

        op 2 (add) is typed f32[B,7], its rule says f32[B,10]
        ->   %z = add(%h, %bb) : f32[B,7]    # dense_1
    """
    _Verifier(graph).run()


class _Verifier:
    def __init__(self, graph: Graph):
        self.graph = graph
        self.defined: set[Value] = set()

    def run(self) -> None:
        for position, value in enumerate(self.graph.inputs):
            if value in self.defined:
                raise VerifyError(f"input {position} stands twice among the inputs", got=value.hint or value.type)
            self.defined.add(value)
            self._check_type(value.type, f"input {position}", None)
        for position, op in enumerate(self.graph.ops):
            self._check_op(f"op {position} ({op.name})", op)
        for position, value in enumerate(self.graph.outputs):
            if value not in self.defined:
                raise VerifyError(f"output {position} is never defined", got=value.type)
        self._check_donations()

    def _check_op(self, what: str, op: Op) -> None:
        if op.name not in registered_ops() or op_spec(op.name) is not op.spec:
            raise self._broken(f"{what} is not in the op table", op)
        self._check_attrs(what, op)
        for position, operand in enumerate(op.operands):
            if operand not in self.defined:
                raise self._broken(f"{what} reads operand {position} before it is defined", op)
        for position, result in enumerate(op.results):
            if result in self.defined:
                raise self._broken(f"{what} defines result {position} a second time", op)
            self.defined.add(result)
            self._check_type(result.type, what, op)
        self._check_rule(what, op)

    def _check_attrs(self, what: str, op: Op) -> None:
        names = [name for name, _ in op.attrs]
        if any(a >= b for a, b in pairwise(names)):
            raise self._broken(f"{what} has attributes that are not sorted, each once: {', '.join(names)}", op)
        for name, value in op.attrs:
            if isinstance(value, Graph):
                try:
                    verify(value)
                except VerifyError as error:
                    raise self._broken(f"{what}: in the graph {name}: {error.what}", op) from error
                continue
            try:
                attribute_text(value)
            except TypeError as error:
                raise self._broken(f"{what}, attribute {name}: {error}", None) from error

    def _check_rule(self, what: str, op: Op) -> None:
        try:
            made = op.spec.infer(*(v.type for v in op.operands), **op.kwargs)
        except GraphcError as error:
            raise self._broken(f"{what} breaks its rule: {error}", op) from error
        except Exception as error:
            raise self._broken(f"{what} breaks its rule: {type(error).__name__}: {error}", op) from error
        inferred = made if isinstance(made, tuple) else (made,)
        found = tuple(v.type for v in op.results)
        if found != inferred:
            raise self._broken(f"{what} is typed {_listed(found)}, its rule says {_listed(inferred)}", op)

    def _check_type(self, type: TensorType, what: str, op: Op | None) -> None:
        if problem := type_problem(type):
            raise self._broken(f"{what}: {problem}", op)

    def _check_donations(self) -> None:
        outputs, inputs = self.graph.outputs, self.graph.inputs
        for which, count, positions in (("output", len(outputs), [o for o, _ in self.graph.donations]),
                                        ("input", len(inputs), [i for _, i in self.graph.donations])):
            repeats = Counter(positions)
            for position in positions:
                if not 0 <= position < count:
                    raise VerifyError(f"a donation names {which} {position}, and there are {count}")
                if repeats[position] > 1:
                    raise VerifyError(f"{which} {position} is donated twice")
        for output, state in self.graph.donations:
            if outputs[output].type != inputs[state].type:
                raise VerifyError(f"output {output} is donated to input {state} of another type",
                                  expected=inputs[state].type, got=outputs[output].type)

    def _broken(self, what: str, op: Op | None) -> VerifyError:
        if op is None:
            return VerifyError(what)
        shown = op_text(op, names_of(self.graph)).replace("\n", "\n     ")
        return VerifyError(f"{what}\n->   {shown}")


def type_problem(type: TensorType) -> str:
    """Why no value can have this type; empty where one can."""
    if not isinstance(type.dtype, DType) or not isinstance(type.shape, tuple):
        return f"{type} is not a type"
    if not all(d.__class__ is int or d.__class__ is SymExpr for d in type.shape):
        return f"{type} has sizes that are neither int nor symbolic"
    if any(isinstance(d, int) and d < 0 for d in type.shape):
        return f"{type} has a negative size"
    if type.rank > MAX_RANK:
        return f"more than {MAX_RANK} axes: {type.rank}"
    known = prod(d for d in type.shape if isinstance(d, int))
    if known * type.dtype.itemsize > MAX_BYTES:
        return f"{type} is larger than any memory"
    return ""


def _listed(types: tuple[TensorType, ...]) -> str:
    return ", ".join(map(str, types)) or "nothing"
