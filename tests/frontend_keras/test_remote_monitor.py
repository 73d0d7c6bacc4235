"""RemoteMonitor and a server of this process."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import numpy as np
import pytest

from graphc.errors import ArgumentError
from graphc.frontend_keras.callbacks import RemoteMonitor


@pytest.fixture
def server():
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            seen.append((self.path, self.headers["Content-Type"], self.headers["X-Key"], body))
            self.send_response(500 if self.path == "/broken" else 200)
            self.end_headers()

        def log_message(self, *args):
            pass

    listening = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}", seen
    listening.shutdown()
    thread.join()
    listening.server_close()


def test_a_form_and_a_json_body(server):
    root, seen = server
    RemoteMonitor(root).on_epoch_end(3, {"loss": np.float32(0.5), "acc": np.array(1)})
    path, kind, _, body = seen[0]
    assert (path, kind) == ("/publish/epoch/end/", "application/x-www-form-urlencoded")
    assert json.loads(parse_qs(body)["data"][0]) == {"epoch": 3, "loss": 0.5, "acc": 1}
    RemoteMonitor(root, "/own", headers={"X-Key": "k"}, send_as_json=True).on_epoch_end(4, {"loss": 2.0})
    path, kind, key, body = seen[1]
    assert (path, kind, key) == ("/own", "application/json", "k")
    assert json.loads(body) == {"epoch": 4, "loss": 2.0}
    RemoteMonitor(root, "/f", field="logs").on_epoch_end(5)
    assert json.loads(parse_qs(seen[2][3])["logs"][0]) == {"epoch": 5}


def test_a_server_that_refuses_was_reached_one_that_is_gone_gives_a_warning(server):
    root, seen = server
    RemoteMonitor(root, "/broken").on_epoch_end(0, {})
    assert len(seen) == 1
    with pytest.warns(UserWarning, match="could not reach"):
        RemoteMonitor("http://127.0.0.1:9").on_epoch_end(0, {})


def test_a_server_of_another_protocol_gives_a_warning():
    listening = socket.create_server(("127.0.0.1", 0))

    def answer():
        connection, _ = listening.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(b"220 mail.example ready\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.warns(UserWarning, match="could not reach"):
        RemoteMonitor(f"http://127.0.0.1:{listening.getsockname()[1]}").on_epoch_end(0, {})
    thread.join()
    listening.close()


@pytest.mark.parametrize(("root", "path", "name"), [
    ("file:///etc/passwd", "/", "root"), ("localhost:9000", "/", "root"), (None, "/", "root"),
    ("http://localhost:port", "/", "root"), ("http://localhost:99999", "/", "root"), ("http://", "/", "root"),
    ("http://[::1", "/", "root"), ("http://local host", "/", "root"), ("http://localhost", "/a b/", "path"),
    ("http://localhost", "/\n", "path"), ("http://localhost", "/\u00e4", "path"), ("http://localhost", None, "path"),
])
def test_urls_that_cannot_be_posted_to(root, path, name):
    with pytest.raises(ArgumentError, match=f"`{name}`"):
        RemoteMonitor(root, path)


@pytest.mark.parametrize("root", ["https://user:secret@example.org:443/base", "http://[::1]:9000", "http://b\u00fccher.example"])
def test_urls_of_every_form(root):
    assert RemoteMonitor(root, "/a%20b?run=1").root == root
