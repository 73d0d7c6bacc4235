"""Graph text to graphs. The text is data: nothing in it is evaluated, and ops come only from the op table.

    graph   = "graph" name "(" [input ("," input)*] ")" "{" op* "return" [output ("," output)*] "}"
    input   = value ":" type
    op      = value ("," value)* "=" word ["(" [value ("," value)*] ")"] ["{" [attr ("," attr)*] "}"]
              [":" type ("," type)*]
    output  = value ["->" value]
    type    = dtype "[" [dim ("," dim)*] "]"
    attr    = word "=" (number | string | word | dtype | dim | "(" ... ")" | dtype "[" ... "]" data | graph)

Newlines are space; a comment at the end of an op's line is its origin. Errors underline their place.
What does not live here: tokens (lexer.py), how values print (printer.py, attributes.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from inspect import Parameter, signature
from math import isinf
from typing import Any, TypeVar

from graphc.errors import GraphcError, ParseError
from graphc.ir.attributes import MAX_RANK, WORDS, array_of_bytes, array_of_elements
from graphc.ir.builder import make_op
from graphc.ir.dims import MAX_TEXT, Dim, parse_dim
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.lexer import Source, TextError, Token, escape
from graphc.ir.spec import Array, OpSpec, op_spec, registered_ops
from graphc.ir.types import DTYPES, TensorType
from graphc.ir.verify import type_problem

MAX_DEPTH = 32  # of tuples in tuples, and of graphs in graphs

Item = TypeVar("Item")


@lru_cache(maxsize=512)
def _parameters(rule: Callable[..., Any]) -> tuple[Parameter, ...]:
    return tuple(signature(rule).parameters.values())


def parse(text: str, name: str = "<text>") -> Graph:
    """The one graph in `text`. Raises ParseError, which names file, line and column and underlines the place."""
    parser = _Parser(text, name)
    graph = parser.graph()
    parser.expect_end()
    return graph


def parse_all(text: str, name: str = "<text>") -> list[Graph]:
    """All graphs in `text`, at least one. Raises ParseError."""
    parser = _Parser(text, name)
    graphs = [parser.graph()]
    while parser.ahead.kind != "end":
        graphs.append(parser.graph())
    return graphs


def parse_type(text: str, name: str = "<type>") -> TensorType:
    """The type in `text`, such as "f32[B,784]". Raises ParseError."""
    parser = _Parser(text, name)
    type = parser.type()
    parser.expect_end()
    return type


class _Parser:
    """Recursive descent with one token of lookahead; `values` are the names of the graph at hand."""

    def __init__(self, text: str, name: str):
        self.source = Source(text, name)
        self.ahead = self.source.token(0)
        self.end = 0
        self.depth = 0
        self.values: dict[str, tuple[Value, Token]] = {}

    # tokens

    def next(self) -> Token:
        token = self.ahead
        self.end = token.end
        self.ahead = self.source.token(token.end)
        return token

    def accept(self, text: str) -> bool:
        found = self.ahead.text == text and self.ahead.kind != "string"
        if found:
            self.next()
        return found

    def expect(self, text: str, after: str = "") -> None:
        if not self.accept(text):
            raise self.unexpected(f"{text!r}{after}")

    def expect_kind(self, kind: str, expected: str) -> Token:
        if self.ahead.kind != kind:
            raise self.unexpected(expected)
        return self.next()

    def expect_end(self) -> None:
        if self.ahead.kind != "end":
            raise self.unexpected("the end of the text")

    def unexpected(self, expected: str) -> TextError:
        return self.error("cannot read on", self.ahead, expected=expected, got=self.ahead)

    def error(self, what: str, place: Token, end: int | None = None, **more: Any) -> TextError:
        return self.source.error(what, place.start, place.end if end is None else end, **more)

    def until(self, closing: str, item: Callable[[], Item]) -> list[Item]:
        """Items between commas up to and with `closing`; a comma may stand before it."""
        items: list[Item] = []
        while not self.accept(closing):
            if items:
                self.expect(",", f" or {closing!r}")
                if self.accept(closing):
                    break
            items.append(item())
        return items

    # graphs

    def graph(self) -> Graph:
        outer, self.values = self.values, {}
        self.expect("graph")
        name = self.graph_name()
        self.expect("(")
        inputs = self.until(")", self.input)
        self.expect("{")
        ops: list[Op] = []
        while not self.accept("return"):
            ops.append(self.op())
        outputs, donations = self.outputs(inputs)
        self.values = outer
        return Graph(name, tuple(inputs), tuple(ops), tuple(outputs), tuple(donations))

    def graph_name(self) -> str:
        if self.ahead.kind == "string":
            return self.string()
        return self.expect_kind("word", "the graph's name").text

    def input(self) -> Value:
        token = self.expect_kind("value", "an input such as %x: f32[B,3]")
        self.expect(":", " and the input's type")
        return self.define(token, self.type())

    def outputs(self, inputs: list[Value]) -> tuple[list[Value], list[tuple[int, int]]]:
        outputs: list[Value] = []
        donations: dict[int, int] = {}
        position_of = {value: position for position, value in enumerate(inputs)}
        while not self.accept("}"):
            if outputs:
                self.expect(",", " or '}'")
            outputs.append(self.value())
            if self.accept("->"):
                state = self.donated(outputs[-1], position_of, donations)
                donations[state] = len(outputs) - 1
        return outputs, [(output, state) for state, output in donations.items()]

    def donated(self, output: Value, position_of: dict[Value, int], donations: dict[int, int]) -> int:
        """The position of the input whose new value `output` is."""
        name = self.expect_kind("value", "the input whose new value this is")
        value, _ = self.values.get(name.text, (None, None))
        if value is None or value not in position_of:
            raise self.error("only an input can get a new value", name, expected="the name of an input", got=name)
        if position_of[value] in donations:
            raise self.error("an input gets two new values", name)
        if value.type != output.type:
            raise self.error("the new value of an input has another type", name, expected=value.type, got=output.type)
        return position_of[value]

    # ops

    def op(self) -> Op:
        first = self.ahead
        names = [self.expect_kind("value", "an op such as %y = relu(%x), or 'return'")]
        while self.accept(","):
            names.append(self.expect_kind("value", "the name of a result"))
        self.expect("=")
        called = self.expect_kind("word", "the name of an op")
        spec = self.spec(called)
        operands = self.until(")", lambda: self.value(first)) if self.accept("(") else []
        attrs = self.attrs() if self.accept("{") else {}
        op = self.apply(spec, operands, attrs, called)
        if len(op.results) != len(names):
            raise self.error(f"{spec.name} has another number of results", first, names[-1].end,
                             expected=len(op.results), got=len(names))
        if self.accept(":"):
            self.check_types(op)
        results = tuple(self.define(name, value.type) for name, value in zip(names, op.results, strict=True))
        return replace(op, results=results, origin=self.source.comment(self.end))

    def spec(self, called: Token) -> OpSpec:
        if called.text in registered_ops():
            return op_spec(called.text)
        near = get_close_matches(called.text[:64], sorted(registered_ops()), 1)
        raise self.error("no such op", called, got=called, fix=f"Did you mean {near[0]}?" if near else "")

    def apply(self, spec: OpSpec, operands: list[Value], attrs: dict[str, Any], called: Token) -> Op:
        """Run the type rule; whatever it says becomes an error at this op."""
        types = tuple(v.type for v in operands)
        try:
            self.check_arguments(spec, types, attrs)
            op = make_op(spec, tuple(operands), attrs)
        except GraphcError as error:
            raise self.error(error.what, called, self.end, expected=error.expected, got=error.got,
                             fix=error.fix) from error
        except Exception as error:
            raise self.error(f"{spec.name} cannot take these operands and attributes", called, self.end,
                             got=escape(f"{type(error).__name__}: {error}")[:200]) from error
        for result in op.results:
            if problem := type_problem(result.type):
                raise self.error(problem, called, self.end)
        return op

    def check_arguments(self, spec: OpSpec, types: tuple[TensorType, ...], attrs: dict[str, Any]) -> None:
        """Do the type rule's parameters take so many operands and these attributes?"""
        parameters = _parameters(spec.infer)
        variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        named = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        for name in attrs:
            if name not in named and not any(p.kind is p.VAR_KEYWORD for p in parameters):
                raise ParseError(f"{spec.name} has no attribute {name}")
        rest = [p for p in parameters if p.name not in attrs and p.kind in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY)]
        if len(types) > len(rest) and not variadic:
            raise ParseError(f"{spec.name} has too many operands", expected=f"at most {len(rest)}", got=len(types))
        lacking = [*rest[len(types):], *(p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in attrs)]
        missing = [p.name for p in lacking if p.default is p.empty]
        if missing:
            raise ParseError(f"{spec.name} lacks an operand or attribute", expected=", ".join(missing), got=len(types))

    def check_types(self, op: Op) -> None:
        for position, result in enumerate(op.results):
            if position:
                self.expect(",", " and the next result's type")
            start = self.ahead
            written = self.type()
            if written != result.type:
                raise self.error(f"{op.name} has another type", start, self.end, expected=result.type, got=written)

    def define(self, token: Token, type: TensorType) -> Value:
        if token.text in self.values:
            earlier = self.source.line_of(self.values[token.text][1].start)
            raise self.error(f"{token} is defined twice", token, got=f"a first definition in line {earlier}")
        value = Value(type, token.text[1:])
        self.values[token.text] = value, token
        return value

    def value(self, scope: Token | None = None) -> Value:
        """A value that is already defined; `scope` is where the op that reads it starts."""
        token = self.expect_kind("value", "a value such as %x")
        if token.text in self.values:
            return self.values[token.text][0]
        if scope is not None and self.defined_later(token.text, scope.start):
            raise self.error(f"{token} is used before it is defined", token)
        near = get_close_matches(token.text[:64], list(self.values)[:1000], 1)
        raise self.error(f"{token} is not defined", token, fix=f"Did you mean {near[0]}?" if near else "")

    def defined_later(self, name: str, start: int) -> bool:
        depth = 0
        for token in self.source.tokens(start):
            if token.kind == "sign":
                depth += (token.text in "([{") - (token.text in ")]}")
            if depth < 0 or (depth == 0 and token.text == "return"):
                return False
            if depth == 0 and token.text == name:
                return True
        return False

    # types and attributes

    def type(self) -> TensorType:
        token = self.expect_kind("word", "a type such as f32[B,3]")
        if token.text not in DTYPES:
            raise self.error("no such element type", token, expected=f"one of {', '.join(DTYPES)}", got=token)
        self.expect("[", " and the sizes")
        shape = self.until("]", self.dim)
        made = TensorType(DTYPES[token.text], tuple(shape))
        if problem := type_problem(made):
            raise self.error(problem, token, self.end)
        return made

    def attrs(self) -> dict[str, Any]:
        attrs: dict[str, Any] = {}

        def attr() -> None:
            token = self.expect_kind("word", "the name of an attribute")
            if token.text in attrs:
                raise self.error(f"attribute {token} stands twice", token)
            self.expect("=")
            attrs[token.text] = self.attribute()

        self.until("}", attr)
        return attrs

    def attribute(self) -> Any:
        token = self.ahead
        if token.kind == "string":
            return self.string()
        if token.kind == "word" and token.text in WORDS:
            return WORDS[self.next().text]
        if token.text in DTYPES and token.kind == "word":
            return self.dtype_or_array()
        if token.text == "graph":
            return self.nested(self.graph)
        if token.text == "(" and self.opens_tuple():
            self.next()
            return self.nested(lambda: tuple(self.until(")", self.attribute)))
        return self.number()

    def nested(self, item: Callable[[], Item]) -> Item:
        if self.depth == MAX_DEPTH:
            raise self.error("too deeply nested", self.ahead, expected=f"at most {MAX_DEPTH} levels")
        self.depth += 1
        made = item()
        self.depth -= 1
        return made

    def opens_tuple(self) -> bool:
        """Is the parenthesis ahead that of a tuple, and not of a size such as (T-3)//2?"""
        depth = 0
        for position, token in enumerate(self.source.tokens(self.ahead.start)):
            depth += (token.text == "(") - (token.text == ")")
            if depth == 0:
                return position == 1
            if (depth == 1 and token.text == ",") or token.end - self.ahead.start > MAX_TEXT:
                return True
        return True

    def string(self) -> str:
        token = self.next()
        try:
            return json.loads(token.text)
        except ValueError:
            raise self.error("cannot read this string", token, expected="a JSON string") from None

    def number(self) -> Any:
        """An integer, a float, or a size: `3`, `-0.5`, `-inf`, `(T-3)//2+1`."""
        sign = self.ahead
        if sign.text != "-":
            return self.float() if self.is_float(self.ahead) else self.dim()
        if self.is_float(self.source.token(sign.end)):
            self.next()
            return -self.float()
        return self.dim()

    def is_float(self, token: Token) -> bool:
        return (token.kind == "number" and not token.text.isdecimal()) or token.text in ("inf", "nan")

    def float(self) -> float:
        token = self.next()
        number = float(token.text)
        if isinf(number) and token.text != "inf":
            raise self.error("a number beyond the range of a float", token)
        return number

    def dim(self) -> Dim:
        """A size; everything up to what cannot belong to it."""
        start, depth = self.ahead, 0
        while self.ahead.kind in ("number", "word", "sign") and self.ahead.text not in ",]}:={":
            depth += (self.ahead.text == "(") - (self.ahead.text == ")")
            if depth < 0:
                break
            self.next()
        if self.end <= start.start:
            raise self.unexpected("a value such as 3, 0.5, \"text\", f32, B, or (1,2)")
        try:
            return parse_dim(self.source.text[start.start:self.end])
        except ParseError as error:
            raise self.error("cannot read this size", start, self.end, expected=error.expected, got=error.got) from None

    def dtype_or_array(self) -> Any:
        start = self.next()
        dtype = DTYPES[start.text]
        if not self.accept("["):
            return dtype
        shape = tuple(self.until("]", self.dim))
        if len(shape) > MAX_RANK or not all(isinstance(d, int) and d >= 0 for d in shape):
            raise self.error("not the shape of a constant", start, self.end, expected=f"at most {MAX_RANK} sizes")
        try:
            return self.array_data(dtype, shape)
        except TextError:
            raise
        except ParseError as error:
            raise self.error(error.what, start, self.end, expected=error.expected, got=error.got) from None

    def array_data(self, dtype: Any, shape: Any) -> Array:
        if self.ahead.kind == "string":
            return array_of_bytes(dtype, shape, self.string())
        self.expect("(", " and the elements, or their bytes in base64")
        return array_of_elements(dtype, shape, self.until(")", self.attribute))
