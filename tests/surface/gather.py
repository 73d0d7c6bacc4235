"""Writes names.txt: every public name of Keras 2.2.4, found by parsing its sources; nothing of it is imported.

    python -m tests.surface.gather KERAS KERAS_PREPROCESSING KERAS_APPLICATIONS

The three arguments are the package folders `keras`, `keras_preprocessing` and `keras_applications` of the releases 2.2.4,
1.0.5 and 1.0.6. A name is public where a script can import it: classes, functions and other names for them in public
modules, and the methods of public classes that no base class of theirs has.

What does not live here: which of them matter how much (tiers.py), reading the list (names.py).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.surface.names import ANYTHING, FILE, Name
from tests.surface.tiers import tier_of

HIDDEN = ("keras.legacy", "keras.backend.", "keras.engine.training_", "keras.utils.test_utils", "keras.datasets.cifar.",
          "keras.applications.mobilenetv2")
SPOKEN_OF_AS = {"keras.engine.network.Network": "keras.Model", "keras.engine.base_layer.Layer": "keras.layers.Layer"}
REEXPORTING = ("keras.metrics", "keras.models", "keras.objectives", "keras.engine.topology", "keras.preprocessing.image")
NOT_MEANT = ("entries", "keras_modules_injection", "py_all", "py_any", "py_slice", "py_sum")
OTHER_BACKENDS = ("keras.backend.theano_backend", "keras.backend.cntk_backend")


@dataclass(frozen=True)
class Found:
    """A definition: the module it stands in, its name there, and its node: an assignment names another library's."""

    module: str
    name: str
    node: ast.FunctionDef | ast.ClassDef | ast.Assign


class Sources:
    """Parsed modules by dotted name."""

    def __init__(self, folders: list[Path]):
        self.trees: dict[str, ast.Module] = {}
        self.packages: set[str] = set()
        for folder in folders:
            for path in sorted(folder.rglob("*.py")):
                parts = [folder.name, *path.relative_to(folder).with_suffix("").parts]
                if parts[-1] == "__init__":
                    parts.pop()
                    self.packages.add(".".join(parts))
                self.trees[".".join(parts)] = ast.parse(path.read_text())
        for module in OTHER_BACKENDS:
            self.trees.pop(module, None)

    def bindings(self, module: str) -> Iterator[tuple[str, ast.stmt, str | None]]:
        """(name, statement, name in the module imported from) of what a module binds at its top level."""
        for statement in _flat(self.trees[module].body):
            if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                yield statement.name, statement, None
            elif isinstance(statement, ast.Assign):
                for target in statement.targets:
                    if isinstance(target, ast.Name):
                        yield target.id, statement, None
            elif isinstance(statement, ast.ImportFrom):
                for alias in statement.names:
                    if alias.name != "*":
                        yield alias.asname or alias.name, statement, alias.name
                        continue
                    source = self.source(module, statement)
                    for name, behind, _ in self.bindings(source) if source in self.trees else ():
                        if not isinstance(behind, ast.ImportFrom):
                            yield name, statement, name

    def source(self, module: str, statement: ast.ImportFrom) -> str:
        base = module.split(".") if module in self.packages else module.split(".")[:-1]
        base = base[:len(base) - statement.level + 1] if statement.level else []
        return ".".join([*base, *((statement.module or "").split(".") if statement.module else [])])

    def find(self, module: str, name: str) -> Found | str | None:
        """What `module.name` is: a definition, the dotted name of a module, or None."""
        if f"{module}.{name}" in self.trees:
            return f"{module}.{name}"
        if module not in self.trees:
            return None
        for bound, statement, origin in reversed(list(self.bindings(module))):
            if bound != name:
                continue
            if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                return self._behind(module, statement)
            if isinstance(statement, ast.ImportFrom):
                return self.find(self.source(module, statement), origin or name)
            if isinstance(statement, ast.Assign):
                known = self.value(module, statement.value)
                stranger = known is None and isinstance(statement.value, ast.Attribute)
                return Found(module, name, statement) if stranger else known
        return None

    def value(self, module: str, node: ast.expr) -> Found | str | None:
        if isinstance(node, ast.Name):
            return self.find(module, node.id)
        if isinstance(node, ast.Attribute):
            holder = self.value(module, node.value)
            return self.find(holder, node.attr) if isinstance(holder, str) else None
        return None

    def _behind(self, module: str, node: ast.FunctionDef | ast.ClassDef) -> Found | str | None:
        """A function of (*args, **kwargs) that returns what another one gives stands for that one."""
        last = node.body[-1]
        if isinstance(node, ast.FunctionDef) and ast.unparse(node.args) == "*args, **kwargs" \
                and isinstance(last, ast.Return) and isinstance(last.value, ast.Call):
            behind = self.value(module, last.value.func)
            if behind is not None:
                return behind
        return Found(module, node.name, node)


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements, those of `if` and `try` among them."""
    for statement in body:
        yield statement
        for inner in ("body", "orelse"):
            if isinstance(statement, (ast.If, ast.Try)):
                yield from _flat(getattr(statement, inner))


def names(sources: Sources) -> list[Name]:
    paths: dict[tuple[str, str], list[str]] = {}
    found: dict[tuple[str, str], Found] = {}
    for module in _public(sources):
        own = module in sources.packages or module in REEXPORTING
        for name, statement, _ in sources.bindings(module):
            if name.startswith("_") or name in NOT_MEANT or (isinstance(statement, ast.ImportFrom) and not own):
                continue
            what = sources.find(module, name)
            if isinstance(what, Found) and what.module.startswith("keras.utils") and not module.startswith("keras.utils"):
                continue
            if isinstance(what, Found) and what.module.startswith("keras"):
                key = (what.module + "." + what.name, name)
                found[key] = what
                if f"{module}.{name}" not in paths.setdefault(key, []):
                    paths[key].append(f"{module}.{name}")
    rows = []
    for key, what in found.items():
        first, *others = sorted(paths[key], key=lambda p: (p.split(".")[1] in ("engine", "objectives"), p.count("."), p))
        rows.append(_row(sources, first, what, others))
        if isinstance(what.node, ast.ClassDef) and what.name == first.rpartition(".")[2]:
            rows.extend(_methods(sources, first, what))
    rows.extend(Name(m, "module", tier_of(m, "module"), "", ()) for m in _public(sources))
    return sorted(rows, key=lambda row: row.path)


def _public(sources: Sources) -> list[str]:
    return [m for m in sources.trees if (m == "keras" or m.startswith("keras."))
            and not any(f"{m}.".startswith(hidden) and m != "keras.backend" for hidden in HIDDEN)]


def _row(sources: Sources, path: str, what: Found, others: list[str]) -> Name:
    if isinstance(what.node, ast.Assign):
        return Name(path, "function", tier_of(path, "function"), ANYTHING, tuple(others))
    kind = "class" if isinstance(what.node, ast.ClassDef) else "function"
    maker = _maker(sources, what)
    if maker is not None and what.module.startswith("keras_applications"):
        maker.args.kwarg = None  # through which Keras hands in its own modules
    return Name(path, kind, tier_of(path, kind), "" if maker is None else signature(maker, kind == "class"), tuple(others))


def _maker(sources: Sources, what: Found) -> ast.FunctionDef | None:
    """The function whose arguments are those of a call: a class's __init__, its own or inherited."""
    if isinstance(what.node, ast.FunctionDef):
        return what.node
    for found in _lineage(sources, what):
        for item in found.node.body:
            if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                return item
    return None


def _lineage(sources: Sources, what: Found) -> Iterator[Found]:
    assert isinstance(what.node, ast.ClassDef)
    yield what
    for base in what.node.bases:
        parent = sources.value(what.module, base)
        if isinstance(parent, Found) and isinstance(parent.node, ast.ClassDef):
            yield from _lineage(sources, parent)


def _methods(sources: Sources, path: str, what: Found) -> Iterator[Name]:
    own, bases = [what], []
    for one in list(_lineage(sources, what))[1:]:
        (bases if one.module.startswith("keras.") else own).append(one)  # who imports keras knows no other package
    path = SPOKEN_OF_AS.get(path, path)
    inherited = {item.name for base in bases for item in base.node.body if isinstance(item, ast.FunctionDef)}
    seen = set()
    for item in (item for one in own for item in one.node.body):
        if not isinstance(item, ast.FunctionDef) or item.name.startswith("_") or item.name in inherited | seen:
            continue
        seen.add(item.name)
        marks = {ast.unparse(mark) for mark in item.decorator_list}
        kind = "property" if "property" in marks else "method"
        args = "" if kind == "property" else signature(item, "staticmethod" not in marks)
        yield Name(f"{path}.{item.name}", kind, tier_of(f"{path}.{item.name}", kind), args, ())


def signature(node: ast.FunctionDef, bound: bool) -> str:
    """The arguments of a call as text, without the first one of a bound function."""
    args = node.args
    if bound:
        args = ast.arguments(**{**{f: getattr(args, f) for f in args._fields}, "args": args.args[1:]})
        args.defaults = args.defaults[-len(args.args):] if args.args else []
    return ast.unparse(args)


if __name__ == "__main__":
    found = names(Sources([Path(folder) for folder in sys.argv[1:]]))
    FILE.write_text("".join(name.line() for name in found))
    print(f"{len(found)} names")
