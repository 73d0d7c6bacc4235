"""`python -m tests.surface [--markdown]` prints the table; it writes nothing.

What does not live here: making the table (report.py).
"""

import argparse

from tests.surface.report import as_markdown, as_text, rows

parser = argparse.ArgumentParser(prog="python -m tests.surface", description=__doc__.splitlines()[0])
parser.add_argument("--markdown", action="store_true", help="as a Markdown table")
print((as_markdown if parser.parse_args().markdown else as_text)(rows()))
