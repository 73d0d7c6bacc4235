"""What the table of the surface may lack, each with a reason.

What does not live here: finding out what is lacking (report.py).
"""

from __future__ import annotations

PENDING = {}

REFUSED: dict[str, str] = {}


def pending(path: str) -> str | None:
    """The reason why a name may be absent, if there is one."""
    return next((reason for start, reason in PENDING.items() if path == start or path.startswith(f"{start}.")), None)
