"""A picture of a model as SVG.

What does not live here: what is shown (boxes.py), where it stands (layout.py).
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from types import MappingProxyType
from xml.sax.saxutils import escape

from graphc.frontend_keras.utils.drawing.boxes import Box, Sketch
from graphc.frontend_keras.utils.drawing.layout import Layout, Point, lay_out

MARGIN, PADDING, LINE = 16.0, 12.0, 17.0
"""Around the picture; around the text of a box; between lines: in pixels."""

LONGEST, MOST = 48, 6
"""Signs of a line; shapes on one side of a box."""

COLOURS = MappingProxyType({"input": ("#e3f4e5", "#4f9d5b"), "weights": ("#e4eefb", "#4a7fc1"),
                            "merge": ("#fdf0dc", "#cf8f2e"), "model": ("#f0e6fa", "#8a5fb8"),
                            "plain": ("#f4f4f5", "#8f959e")})
"""Family of a layer -> the box's colour and that of its border."""

_NARROW, _WIDE = frozenset("iljtfrI.,:;'|!()[]{} "), frozenset("mwMW@%")
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPACES = re.compile(r"\s+")

_STYLE = """text { font: 13px Helvetica, Arial, 'DejaVu Sans', sans-serif; fill: #22272e; text-anchor: middle; }
    .kind { font-weight: bold; }
    .shape { font-size: 11.5px; fill: #57606a; }
    .arrow { fill: none; stroke: #6b7280; stroke-width: 1.3; }"""


def draw(sketch: Sketch, show_shapes: bool, show_layer_names: bool, rankdir: str) -> str:
    """The text of an SVG file. Names may hold anything.

    rankdir  TB, BT, LR or RL: where the arrows lead, top to bottom, ...
    """
    texts = [_lines(box, show_shapes, show_layer_names) for box in sketch.boxes]
    sizes = [_size(lines) for lines in texts]
    sideways = rankdir in ("LR", "RL")
    layout = lay_out([size[::-1] for size in sizes] if sideways else sizes, sketch.arrows)
    turn = _Turn(layout, rankdir)
    parts = [_arrow([turn(point) for point in way], sideways) for way in layout.ways]
    parts += [_box(box, lines, turn(centre), size)
              for box, lines, centre, size in zip(sketch.boxes, texts, layout.centres, sizes)]
    width, height = (round(length + 2 * MARGIN) for length in (layout.size[::-1] if sideways else layout.size))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">
  <style>
    {_STYLE}
  </style>
  <defs>
    <marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">
      <path d="M0 1 L10 5 L0 9 z" fill="#6b7280"/>
    </marker>
  </defs>
  <rect width="100%" height="100%" fill="white"/>
  {chr(10).join(parts).replace(chr(10), chr(10) + "  ")}
</svg>
"""


class _Turn:
    """Points of a layout from top to bottom, in the direction that is wanted and inside of the margin."""

    def __init__(self, layout: Layout, rankdir: str):
        self.rankdir, self.length = rankdir, layout.size[1]

    def __call__(self, point: Point) -> Point:
        along, away = point
        away = self.length - away if self.rankdir in ("BT", "RL") else away
        x, y = (away, along) if self.rankdir in ("LR", "RL") else (along, away)
        return x + MARGIN, y + MARGIN


def _lines(box: Box, show_shapes: bool, show_layer_names: bool) -> list[tuple[str, str]]:
    """The lines of a box: (style, text)."""
    lines = [("name", box.name)] if show_layer_names else []
    lines.append(("kind", box.kind))
    if show_shapes:
        lines += [("shape", text) for text in (*_listed("in", box.inputs), *_listed("out", box.outputs))]
    return [(style, plain(text)) for style, text in lines]


def _listed(word: str, shapes: tuple[str, ...]) -> list[str]:
    """A line for each shape, but no more than MOST."""
    shown = list(shapes) if len(shapes) <= MOST else [*shapes[:MOST - 1], f"and {len(shapes) - MOST + 1} more"]
    return [f"{word}  {shown[0]}", *shown[1:]] if shown else []


def plain(text: str) -> str:
    """`text` on one line, no longer than LONGEST, with a mark in place of what XML cannot hold."""
    text = _SPACES.sub(" ", _NOT_IN_XML.sub("\ufffd", text))
    return text if len(text) <= LONGEST else text[:LONGEST - 1] + "…"


def _size(lines: list[tuple[str, str]]) -> Point:
    widest = max(_width(text) * (0.92 if style == "shape" else 1.07 if style == "kind" else 1.0)
                 for style, text in lines)
    return max(84.0, widest + 2 * PADDING), LINE * len(lines) + PADDING


def _width(text: str) -> float:
    """About how wide the text is at 13 pixels in Helvetica."""
    return sum(13.0 if unicodedata.east_asian_width(sign) in "WF" else 4.2 if sign in _NARROW else 11.5
               if sign in _WIDE else 8.9 if sign.isupper() else 7.4 for sign in text)


def _box(box: Box, lines: list[tuple[str, str]], centre: Point, size: Point) -> str:
    (x, y), (width, height) = centre, size
    fill, border = COLOURS[box.family]
    left, top = x - width / 2, y - height / 2
    whole = f"{box.name}: {box.kind}, {', '.join(box.inputs)} to {', '.join(box.outputs)}"
    title = escape(_NOT_IN_XML.sub("\ufffd", whole))
    texts = [f'  <text class="{style}" x="{x:.1f}" y="{top + PADDING / 2 + LINE * i + 13:.1f}">{escape(text)}</text>'
             for i, (style, text) in enumerate(lines)]
    return "\n".join(['<g>', f"  <title>{title}</title>",
                      f'  <rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="6" '
                      f'fill="{fill}" stroke="{border}"/>', *texts, "</g>"])


def _arrow(way: list[Point], sideways: bool) -> str:
    """Curves between rows; straight lines where the arrow passes one, or where it leads straight on."""
    path = [f"M{way[0][0]:.1f} {way[0][1]:.1f}"]
    for i, (start, end) in enumerate(pairwise(way)):
        if i % 2 or start[0] == end[0] or start[1] == end[1]:
            path.append(f"L{end[0]:.1f} {end[1]:.1f}")
            continue
        bend = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        first, second = ((bend[0], start[1]), (bend[0], end[1])) if sideways else ((start[0], bend[1]),
                                                                               (end[0], bend[1]))
        path.append(f"C{first[0]:.1f} {first[1]:.1f} {second[0]:.1f} {second[1]:.1f} {end[0]:.1f} {end[1]:.1f}")
    return f'<path class="arrow" d="{" ".join(path)}" marker-end="url(#head)"/>'
