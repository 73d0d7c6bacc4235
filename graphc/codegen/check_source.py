"""A second look at the source of a kernel before it is run: is it in the small language that the emitters write?

The emitters never put text of a model file into a source: names are made up, numbers are literals. This checks it for
every source, whoever wrote it: a closed world of statements, in which no name leads out of arithmetic.

What does not live here: writing sources, compiling them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from graphc.errors import CompileError

_NODES = (ast.Module, ast.Import, ast.ImportFrom, ast.alias, ast.FunctionDef, ast.arguments, ast.arg, ast.Assign,
          ast.AugAssign, ast.For, ast.While, ast.If, ast.Pass, ast.Break, ast.Continue, ast.Expr, ast.Call, ast.Name,
          ast.Attribute, ast.Subscript, ast.Constant, ast.Tuple, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare,
          ast.IfExp, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context)
_INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
_TYPES = frozenset(["bool_", "float32", "float64", *_INTEGERS])
_ATTRIBUTES = frozenset(["cuda.threadIdx", "cuda.threadIdx.x", "cuda.blockIdx", "cuda.blockIdx.x", "cuda.shared",
                         "cuda.shared.array", "cuda.syncthreads", "cuda.syncwarp", "cuda.shfl_xor_sync",
                         "cuda.ballot_sync", *(f"np.{name}" for name in _TYPES)])
_BUILTINS = frozenset(["range", "min", "max", "abs", "float", "int", "bool"])
_IMPORTS = frozenset(["import numpy as np", "from numba import cuda"])
_OWN = re.compile(r"from graphc\.codegen_(cpu|cuda)\.(vmath|microkernel|transforms|pointers|numba_side) import "
                  r"[a-z]\w*(, [a-z]\w*)*")
_TEXT = re.compile(r"[\w* -]*", re.ASCII)  # types of SIGNATURE, nan, inf, the name of a transform


def checked(source: str, where: str) -> ast.Module:
    """The parsed source. Raises CompileError for what no emitter writes, SyntaxError for what is no Python."""
    tree = ast.parse(source)
    found = next(_foreign(tree), None)
    if found is not None:
        raise CompileError("the kernel's source holds what no emitter writes", where=where,
                           got=f"{ast.unparse(found):.200} in line {getattr(found, 'lineno', 0)}")
    return tree


def _foreign(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes that do not belong."""
    nodes = list(ast.walk(tree))
    known = _BUILTINS | {name for node in nodes for name in _bound(node)}
    return (node for node in nodes if not isinstance(node, _NODES) or not _belongs(node, known))


def _belongs(node: ast.AST, known: frozenset[str]) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom():
            text = ast.unparse(node)
            return text in _IMPORTS or _OWN.fullmatch(text) is not None
        case ast.FunctionDef():
            plain = ", ".join(argument.arg for argument in node.args.args)
            return not node.decorator_list and node.returns is None and ast.unparse(node.args) == plain
        case ast.Name():
            return node.id in known and not node.id.startswith("_")
        case ast.Attribute():
            return ast.unparse(node) in _ATTRIBUTES
        case ast.Call():
            return not node.keywords and isinstance(node.func, (ast.Name, ast.Attribute))
        case ast.Constant():
            if isinstance(node.value, str):
                return _TEXT.fullmatch(node.value) is not None
            return isinstance(node.value, (bool, int, float))
    return True


def _bound(node: ast.AST) -> tuple[str, ...]:
    """Names that a node gives a meaning."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return (node.id,)
    if isinstance(node, ast.arg):
        return (node.arg,)
    if isinstance(node, ast.FunctionDef):
        return (node.name,)
    return (node.asname or node.name,) if isinstance(node, ast.alias) else ()
