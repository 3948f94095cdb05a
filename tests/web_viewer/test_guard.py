"""Who may call the viewer."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from mailsandbox import MailSandbox
from mailsandbox_viewer import create_app
from tests.web_viewer.conftest import Send

PATHS = [
    "/",
    "/nothing",
    "/message/1",
    "/view/1.html",
    "/api/v1/messages",
    "/api/events",
    "/%61pi/v1/messages",
    "/static/style.css",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "[::1]x", "127.0.0.2"]
)
def test_a_foreign_host_is_refused_everywhere(client: FlaskClient, path: str, host: str) -> None:
    assert client.get(path, headers={"Host": host}).status_code in {400, 421}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:9", "[::1]:8026", "[::1]"])
def test_this_machine_is_served(client: FlaskClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


def test_an_allowed_host_is_served(sandbox: MailSandbox) -> None:
    app = create_app(sandbox.inbox, allowed_hosts=["Mail.test"])
    assert app.test_client().get("/", headers={"Host": "mail.TEST:1"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
    ],
)
def test_another_sites_page_changes_nothing(client: FlaskClient, send: Send, headers: dict[str, str]) -> None:
    send(Subject="kept")
    for method, path in (
        ("POST", "/delete"),
        ("POST", "/message/1/delete"),
        ("DELETE", "/api/v1/messages"),
        ("PUT", "/api/v1/messages"),
    ):
        assert client.open(path, method=method, headers=headers).status_code == 403, path
    assert client.get("/api/events", headers=headers).status_code == 403
    assert client.get("/api/v1/messages").json["unread"] == 1  # type: ignore[index]


def test_its_own_page_may(client: FlaskClient) -> None:
    headers = {"Host": "localhost:8026", "Origin": "http://localhost:8026", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/delete", headers=headers).status_code == 303


def test_a_body_is_limited(client: FlaskClient) -> None:
    assert client.delete("/api/v1/messages", data=b" " * (5 * 1024 * 1024 + 1)).status_code == 413


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_the_headers(app: Flask, client: FlaskClient, path: str) -> None:
    for host in ("localhost", "evil.example"):
        with client.get(path, headers={"Host": host}) as answer:
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Frame-Options"] == "DENY"
