"""The server and its event streams, over real sockets."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest
from flask import Flask

from mailsandbox.errors import ListenError
from mailsandbox_viewer import ViewerServer
from mailsandbox_viewer.viewer import STREAM_LIMIT
from tests.web_viewer.conftest import Send


@contextmanager
def get(server: ViewerServer, path: str, **headers: str) -> Iterator[HTTPResponse]:
    connection = HTTPConnection(*server.address, timeout=20)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        with connection.getresponse() as answer:
            yield answer
    finally:
        connection.close()


def events(answer: HTTPResponse, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < count:
        line = answer.readline()
        assert line, "the stream ended"
        if line.startswith(b"data: "):
            found.append(json.loads(line[6:]))
    return found


def test_a_stream_tells_new_mail_at_once(server: ViewerServer, send: Send) -> None:
    with get(server, "/api/events") as answer:
        assert answer.getheader("Content-Type", "").startswith("text/event-stream")
        send(Subject="<b>")
        [event] = events(answer, 1)
    assert event["id"] == 1
    assert event["unread"] == 1
    assert "&lt;b&gt;" in event["html"]


@pytest.mark.parametrize(
    "path, headers", [("/api/events?after=2", {}), ("/api/events?after=0", {"Last_Event_ID": "2"})]
)
def test_a_stream_resumes_where_it_was(server: ViewerServer, send: Send, path: str, headers: dict[str, str]) -> None:
    for index in range(4):
        send(Subject=str(index))
    with get(server, path, **headers) as answer:
        assert [event["id"] for event in events(answer, 2)] == [3, 4]
        send(Subject="5")
        assert [event["id"] for event in events(answer, 1)] == [5]


def test_pages_answer_beside_thirty_streams(server: ViewerServer, app: Flask) -> None:
    with ExitStack() as streams:
        for _ in range(30):
            streams.enter_context(get(server, "/api/events"))
        assert app.extensions["mailsandbox"].streams == 30
        with get(server, "/") as page:
            assert page.status == 200


def test_too_many_streams_are_told_to_come_later(server: ViewerServer) -> None:
    with ExitStack() as streams:
        for _ in range(STREAM_LIMIT):
            assert streams.enter_context(get(server, "/api/events")).status == 200
        with get(server, "/api/events") as answer:
            assert answer.status == 503
            assert answer.getheader("Retry-After")


def test_close_ends_open_streams_and_is_harmless_twice(app: Flask) -> None:
    server = ViewerServer(app, "127.0.0.1", 0)
    server.start()
    with get(server, "/api/events") as answer:
        answer.readline()
        server.close()
        server.close()
    assert app.extensions["mailsandbox"].streams == 0
    assert not [thread for thread in threading.enumerate() if thread.name == "mailsandbox-viewer"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(server.address, timeout=5)


def test_a_server_that_never_started_closes(app: Flask) -> None:
    ViewerServer(app, "127.0.0.1", 0).close()


def test_a_taken_port_is_one_clear_line(app: Flask, server: ViewerServer) -> None:
    with pytest.raises(ListenError) as caught:
        ViewerServer(app, *server.address)
    assert f"127.0.0.1:{server.address[1]}" in str(caught.value)
    assert "another port" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host, port", [("256.1.1.1.invalid", 0), ("127.0.0.1", 70000), ("192.0.2.1", 0)])
def test_an_impossible_address_is_a_listen_error(app: Flask, host: str, port: int) -> None:
    with pytest.raises(ListenError):
        ViewerServer(app, host, port)
