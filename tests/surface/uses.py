"""Which tests use which public name, read from the text of the tests.

A test is a function `test_...` of a file `test_...`, or of a class `Test...` in it, or a script of the tutorial. It uses what its body names: `K.dot`, `keras.layers.Dense`, a name imported by `from ... import`; and what those
functions, fixtures and tables name in turn that it reads, in its own file or in another file of tests. Where it looks
names up (`losses.get`, `getattr(layers, ...)`), the strings that it reads count as names there. A method counts as used
where an attribute of that name is read by a test that also uses its class, or one that inherits the method.

What does not live here: the names that matter (names.txt), saying what is missing (report.py).
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).parent.parent
SCRIPTS, SCRIPT = "tests.tutorial.p", "script"
LOOKUPS = ("get", "deserialize", "LAYERS")
FRONTENDS = ("graphc.frontend_keras", "graphc.keras", "keras")


@dataclass
class Reads:
    """What one top-level statement reads: names of its own module, dotted names from elsewhere, attributes, strings,
    and the modules in which it looks names up."""

    own: set[str] = field(default_factory=set)
    dotted: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)
    lookups: set[str] = field(default_factory=set)


@dataclass
class Module:
    """A file of tests: what each of its top-level names reads, and what its imported names are."""

    name: str
    reads: dict[str, Reads] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    automatic: list[str] = field(default_factory=list)


def tests_by_use() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """The tests that read each dotted name of the frontend, written `keras. ...`; and each test's attributes."""
    modules = {m.name: m for m in map(_module, sorted(TESTS.rglob("*.py"))) if m is not None}
    users: dict[str, set[str]] = defaultdict(set)
    attributes: dict[str, set[str]] = {}
    for module in modules.values():
        path = f"{module.name.replace('.', '/')}.py"
        for name in module.reads:
            called = name.rpartition("::")[2].startswith("test_") and path.rpartition("/")[2].startswith("test_")
            if name != SCRIPT and not called:
                continue
            test = path if name == SCRIPT else f"{path}::{name}"
            dotted, attributes[test] = _closure(modules, module, name)
            for used in dotted:
                users[used].add(test)
    return users, attributes


def _closure(modules: dict[str, Module], module: Module, start: str) -> tuple[set[str], set[str]]:
    every = Reads()
    pending, seen = [(module, start), *((module, name) for name in module.automatic)], set()
    while pending:
        here, name = pending.pop()
        if (here.name, name) in seen or name not in here.reads:
            continue
        seen.add((here.name, name))
        reads = here.reads[name]
        every.attributes |= reads.attributes
        every.strings |= reads.strings
        every.lookups |= reads.lookups
        pending.extend((here, other) for other in reads.own)
        for used in reads.dotted:
            home, _, last = used.rpartition(".")
            if used in modules:
                pending.extend((modules[used], one) for one in modules[used].reads)
            elif home in modules:
                pending.append((modules[home], last))
            elif (plain := _plain(used)) is not None:
                every.dotted.add(plain)
    places = {plain for place in every.lookups if (plain := _plain(place)) is not None}
    every.dotted |= {f"{place}.{name}" for place in places for name in every.strings}
    return every.dotted, every.attributes


def _plain(dotted: str) -> str | None:
    for frontend in FRONTENDS:
        if dotted == frontend or dotted.startswith(f"{frontend}."):
            return "keras" + dotted[len(frontend):]
    return None


def _module(path: Path) -> Module | None:
    """A parsed file; None for one that is not Python 3, of which the tutorial has some."""
    module = Module(".".join(path.relative_to(TESTS.parent).with_suffix("").parts).removesuffix(".__init__"))
    try:
        tree = ast.parse(path.read_text())
    except SyntaxError:
        return None
    nodes = [(statement, list(ast.walk(statement))) for statement in tree.body]
    for _, inside in nodes:
        for node in inside:
            module.imports.update(_imported(node))
    for statement, inside in nodes:
        if isinstance(statement, ast.ClassDef) and statement.name.startswith("Test"):
            for item in statement.body:
                name = f"{statement.name}::{getattr(item, 'name', '')}"
                _read(module, list(ast.walk(item)), module.reads.setdefault(name, Reads()))
        for name in [SCRIPT] if module.name.startswith(SCRIPTS) else _bound(statement):
            _read(module, inside, module.reads.setdefault(name, Reads()))
        if isinstance(statement, ast.FunctionDef) and any("autouse=True" in ast.unparse(d) for d in statement.decorator_list):
            module.automatic.append(statement.name)
    known = set(module.reads)
    for reads in module.reads.values():
        reads.own &= known
    return module


def _imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        for alias in node.names:
            yield alias.asname or alias.name, f"{node.module}.{alias.name}"
    elif isinstance(node, ast.Import):
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            yield name, alias.name if alias.asname else name


def _bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
        for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
            for node in ast.walk(target):
                if isinstance(node, ast.Name):
                    yield node.id


def _read(module: Module, nodes: list[ast.AST], reads: Reads) -> None:
    for node in nodes:
        if isinstance(node, ast.Attribute):
            reads.attributes.add(node.attr)
            dotted = _dotted(module, node)
            if dotted is not None:
                reads.dotted.add(dotted)
                if node.attr in LOOKUPS:
                    reads.lookups.add(dotted.rpartition(".")[0])
        elif isinstance(node, ast.Name):
            reads.own.add(node.id)
            if node.id in module.imports:
                reads.dotted.add(module.imports[node.id])
        elif isinstance(node, ast.arg):
            reads.own.add(node.arg)  # a fixture
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            reads.strings.add(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
            reads.lookups.update(_named(module, node.args[0]))
        elif isinstance(node, ast.ImportFrom):
            reads.dotted.update(dotted for _, dotted in _imported(node))


def _named(module: Module, node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield from filter(None, [_dotted(module, node)])
    elif isinstance(node, ast.Name) and node.id in module.imports:
        yield module.imports[node.id]


def _dotted(module: Module, node: ast.Attribute) -> str | None:
    parts = [node.attr]
    inner = node.value
    while isinstance(inner, ast.Attribute):
        parts.append(inner.attr)
        inner = inner.value
    if not isinstance(inner, ast.Name) or inner.id not in module.imports:
        return None
    return ".".join([module.imports[inner.id], *reversed(parts)])
