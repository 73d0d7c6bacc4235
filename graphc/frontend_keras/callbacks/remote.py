"""RemoteMonitor: the results of each epoch go to a server.

What does not live here: callbacks that write files (loggers.py, tensorboard.py).
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, warn
from graphc.frontend_keras.callbacks.base import Callback, Logs

_SECONDS = 10.0
"""How long a server may take to answer."""


class RemoteMonitor(Callback):
    """Posts the results of each epoch to a server over HTTP; a server that cannot be reached gives a warning.

    root          URL of the server
    path          below it
    field         name of the form field that holds the JSON text
    headers       HTTP headers, or None
    send_as_json  whether the JSON text is the whole body

    Raises ArgumentError for a root that is no http or https URL, or a path that cannot follow it.
    """

    def __init__(self, root: str = "http://localhost:9000", path: str = "/publish/epoch/end/", field: str = "data",
                 headers: dict[str, str] | None = None, send_as_json: bool = False):
        super().__init__()
        _check_url(root, path)
        self.root, self.path, self.field = root, path, field
        self.headers, self.send_as_json = headers, send_as_json

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        content = {"epoch": epoch} | {name: value.item() if isinstance(value, np.generic | np.ndarray) else value
                                      for name, value in (logs or {}).items()}
        from http.client import HTTPException
        from urllib.error import HTTPError
        from urllib.parse import urlencode
        from urllib.request import Request, urlopen
        kind = "application/json" if self.send_as_json else "application/x-www-form-urlencoded"
        text = json.dumps(content)
        body = text if self.send_as_json else urlencode({self.field: text})
        request = Request(self.root + self.path, body.encode(), {"Content-Type": kind, **(self.headers or {})})
        try:
            with urlopen(request, timeout=_SECONDS):
                pass
        except HTTPError as answer:  # the server was reached
            answer.close()
        except (OSError, HTTPException):  # nobody is there, or somebody who does not speak HTTP
            warn(f"could not reach the server of RemoteMonitor at {self.root}")


def _check_url(root: Any, path: Any) -> None:
    from urllib.parse import urlsplit
    if not (isinstance(root, str) and root.startswith(("http://", "https://"))):
        raise ArgumentError("`root` is no URL of a server", where="RemoteMonitor", got=repr(root),
                            expected="http://... or https://...")
    if not (isinstance(path, str) and path.isascii() and path.isprintable() and " " not in path):
        raise ArgumentError("`path` cannot be a part of a URL", where="RemoteMonitor", got=repr(path),
                            expected="printable ASCII without blanks", fix="urllib.parse.quote(path) makes it so.")
    try:
        parts = urlsplit(root + path)
        known = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known or not root.isprintable() or " " in root:
        raise ArgumentError("`root` is no URL of a server", where="RemoteMonitor", got=repr(root),
                            expected="a host, and perhaps a port that is a number")
