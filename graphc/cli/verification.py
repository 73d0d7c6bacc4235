"""`graphc check MODEL --verify-certificate FILE`: a certificate made again, and what is different now.

What does not live here: making one (certificate.py).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from graphc.cli.arguments import UsageError
from graphc.cli.certificate import FORMAT, VERSION, body_of
from graphc.cli.files import MAX_TEXT
from graphc.cli.provenance import document_hash
from graphc.errors import ModelFormatError
from graphc.frontend_keras.saving.text import parse_json
from graphc.passes.choices import CONVOLUTIONS, PRECISIONS, TARGETS

SHOWN = 10  # differences
_MOST = 2**31
_WORDS = (str, type(None))


def read_certificate(path: str) -> dict[str, Any]:
    """The document. Raises OSError, ModelFormatError for what is no certificate of this version."""
    with open(path, "rb") as file:
        content = file.read(MAX_TEXT + 1)
    if len(content) > MAX_TEXT:
        raise ModelFormatError("the certificate is too large", where=path, expected=f"at most {MAX_TEXT} bytes")
    try:
        document = parse_json(content.decode("utf-8"), path)
    except UnicodeDecodeError as error:
        raise ModelFormatError("the certificate is not UTF-8 text", where=path, got=f"byte {error.start}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ModelFormatError("not a numerics certificate", where=path, expected=f'"format": "{FORMAT}"')
    if document.get("version") != VERSION:
        raise ModelFormatError("a certificate of another version", where=path, expected=VERSION,
                               got=f"{document.get('version')!r:.100}")
    return document


def adopt_settings(options: argparse.Namespace, document: Mapping[str, Any]) -> None:
    """Let a command run as the certificate says. Raises ModelFormatError, UsageError where inputs are missing."""
    settings = document.get("settings")
    where = options.verify_certificate
    if not isinstance(settings, dict):
        raise ModelFormatError("the certificate has no settings", where=where)
    checks = {"target": lambda v: v in TARGETS, "precision": lambda v: v in PRECISIONS,
              "convolution": lambda v: v in CONVOLUTIONS, "train": lambda v: isinstance(v, bool),
              "optimizer": lambda v: isinstance(v, _WORDS), "loss": lambda v: isinstance(v, _WORDS),
              "seed": lambda v: type(v) is int and 0 <= v < 10**18,
              "batch": lambda v: v is None or (type(v) is int and 0 < v < _MOST),
              "tolerance": lambda v: v is None or (isinstance(v, int | float) and v >= 0)}
    for name, check in checks.items():
        if name not in settings or not check(settings[name]):
            raise ModelFormatError(f"not a setting of {name}", where=where, got=f"{settings.get(name)!r:.100}")
        setattr(options, name, settings[name])
    if (settings.get("inputs") == "given") != bool(options.inputs):
        raise UsageError("the certificate was made with --inputs FILE; give it again" if not options.inputs else
                         "the certificate was made with random inputs; leave --inputs out")


def verdict_of(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> tuple[bool, str]:
    """Whether the old certificate holds, and what to say: all that differs, but for the environment."""
    lines = [f"  made with another {where}: {a} then, {b} now"
             for where, a, b in differences(old.get("environment"), new["environment"], "environment")]
    then, now = ({k: v for k, v in one.items() if k != "environment"} for one in (body_of(old), body_of(new)))
    found = list(islice(differences(then, now), SHOWN + 1))
    intact = old.get("digest") == document_hash(body_of(old))
    if intact and not found:
        return True, "\n".join([f"certificate {path}: holds; {len(new['values'])} values are the same to the last bit",
                                *lines])
    shown = [f"  {where}: {a} then, {b} now" for where, a, b in found[:SHOWN]]
    more = ["  and more"] if len(found) > SHOWN else []
    what = "does not hold" if intact else "its digest is not that of its content"
    return False, "\n".join([f"certificate {path}: {what}", *lines, *shown, *more])


def differences(old: Any, new: Any, where: str = "") -> Iterator[tuple[str, str, str]]:
    """(place, old, new) wherever two documents differ; an entry of `values` is named by its value."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from differences(old.get(key), new.get(key), f"{where}.{key}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (a, b) in enumerate(zip(old, new, strict=True)):
            name = next((b[key] for key in ("value", "name") if isinstance(b, dict) and key in b), number)
            yield from differences(a, b, f"{where}[{name}]")
    elif old != new or type(old) is not type(new):
        yield where, _short(old), _short(new)


def _short(content: Any) -> str:
    text = repr(content)
    return text if len(text) <= 40 else f"{text[:37]}..."
