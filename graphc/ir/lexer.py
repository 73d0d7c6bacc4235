"""Graph text as tokens, and errors that underline their place in it.

What does not live here: the grammar (parser.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from graphc.errors import ParseError

MAX_SIZE = 16 * 2**20  # characters of one text
EXCERPT = 100          # characters of a long line that an error shows

_TOKEN = re.compile(r"""
    (?P<space>[ \t\r\n]+ | \#[^\n]*)
  | (?P<value>%[A-Za-z0-9_]+)
  | (?P<number>[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<string>"[^"\\\n]*(?:\\.[^"\\\n]*)*")
  | (?P<sign>->|//|[(){}\[\],:=+*-])
""", re.VERBOSE)
_COMMENT = re.compile(r"[ \t]*#([^\n]*)")
_ESCAPED = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(\\))")


@dataclass(frozen=True, slots=True)
class Token:
    """kind is value, number, word, string, sign or end; start and end are offsets into the text."""

    kind: str
    text: str
    start: int
    end: int

    def __str__(self) -> str:
        return "the end of the text" if self.kind == "end" else escape(self.text[:40])


class TextError(ParseError):
    """A ParseError that knows its place: name:line:column, the line, and a caret under the place.

    summary is the error without the lines that show the place.
    """

    def __init__(self, what: str, *, where: str, excerpt: str, expected: object = None, got: object = None,
                 fix: str = ""):
        super().__init__(what, where=where, expected=expected, got=got, fix=fix)
        self.excerpt = excerpt

    @property
    def summary(self) -> str:
        return super().__str__()

    def __str__(self) -> str:
        return f"{self.summary}\n{self.excerpt}"


class Source:
    """A text with a name: hands out tokens, makes errors."""

    def __init__(self, text: str, name: str):
        if len(text) > MAX_SIZE:
            raise ParseError("the text is too long", where=escape(name), expected=f"at most {MAX_SIZE} characters",
                             got=len(text))
        self.text, self.name = text, name

    def token(self, position: int) -> Token:
        """The first token at or after `position`; comments and space are stepped over."""
        while match := _TOKEN.match(self.text, position):
            position = match.end()
            if match.lastgroup != "space":
                return Token(str(match.lastgroup), match.group(), match.start(), position)
        if position < len(self.text):
            raise self.error("unexpected character", position, position + 1, got=repr(self.text[position]))
        return Token("end", "", position, position)

    def tokens(self, position: int = 0) -> Iterator[Token]:
        """All tokens from `position` on, without the end; stops early where there is none."""
        while match := _TOKEN.match(self.text, position):
            position = match.end()
            if match.lastgroup != "space":
                yield Token(str(match.lastgroup), match.group(), match.start(), position)

    def comment(self, position: int) -> str:
        """The comment that follows on the same line, read back from its escaped form."""
        match = _COMMENT.match(self.text, position)
        return unescape(match.group(1).strip()) if match else ""

    def line_of(self, position: int) -> int:
        """The number of the line that holds `position`, from 1."""
        return self.text.count("\n", 0, position) + 1

    def error(self, what: str, start: int, end: int, *, expected: object = None, got: object = None,
              fix: str = "") -> TextError:
        line_start = self.text.rfind("\n", 0, start) + 1
        where = f"{escape(self.name)}:{self.line_of(start)}:{start - line_start + 1}"
        return TextError(what, where=where, excerpt=self._excerpt(line_start, start, end), expected=expected, got=got,
                         fix=fix)

    def _excerpt(self, line_start: int, start: int, end: int) -> str:
        line_end = self.text.find("\n", start)
        line_end = len(self.text) if line_end < 0 else line_end
        first = max(line_start, start - EXCERPT // 2)
        last = min(line_end, first + EXCERPT)
        end = max(min(end, last), start + 1)
        shown, lead = escape(self.text[first:last]), escape(self.text[first:start])
        front, back = "..." * (first > line_start), "..." * (last < line_end)
        underline = " " * (len(front) + len(lead)) + "^" * max(1, len(escape(self.text[start:end])))
        return f"  {front}{shown}{back}\n  {underline}"


def escape(text: str) -> str:
    r"""Text on one line, without control characters: these and the backslash become \x.., \u.... or \\."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(c if c.isprintable() and c != "\\" else "\\\\" if c == "\\" else _code(ord(c)) for c in text)


def unescape(text: str) -> str:
    """What `escape` was given."""
    return _ESCAPED.sub(lambda m: "\\" if m[4] else _character(int(m[1] or m[2] or m[3], 16)), text)


def _code(number: int) -> str:
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _character(number: int) -> str:
    return chr(number) if number < 0x110000 else "�"
