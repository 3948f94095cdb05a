"""The JSON API in Mailpit's shapes."""

from email.message import EmailMessage
from typing import Any

import pytest
from flask.testing import FlaskClient

from mailsandbox import MailSandbox
from tests.web_viewer.conftest import Send


def test_the_list(client: FlaskClient, send: Send) -> None:
    send(Subject="one", to=("bob@example.org", "secret@example.org"), **{"Message-ID": "<a@b>"})
    send(Subject="two")
    answer = client.get("/api/v1/messages?limit=1&start=1").json
    assert answer is not None
    counts = {key: value for key, value in answer.items() if key != "messages"}
    assert counts == {
        "total": 2,
        "unread": 2,
        "count": 1,
        "messages_count": 2,
        "messages_unread": 2,
        "start": 1,
        "tags": [],
    }
    [mail] = answer["messages"]
    assert mail["ID"] == "1"
    assert mail["MessageID"] == "a@b"
    assert mail["From"] == {"Name": "Ann", "Address": "ann@example.org"}
    assert mail["Bcc"] == [{"Name": "", "Address": "secret@example.org"}]
    assert mail["Read"] is False


def test_one_message_is_read_once_fetched(client: FlaskClient, send: Send) -> None:
    send(Subject="one", **{"List-Unsubscribe": "<https://example.org/u>, <mailto:u@example.org>"})
    mail = client.get("/api/v1/message/latest").json
    assert mail is not None
    assert mail["ReturnPath"] == "bounce@example.org"
    assert mail["Text"].strip() == "Hello Bob"
    assert mail["ListUnsubscribe"]["Links"] == ["https://example.org/u", "mailto:u@example.org"]
    assert client.get("/api/v1/messages").json["unread"] == 0  # type: ignore[index]


def test_raw_is_what_was_sent(client: FlaskClient, send: Send, sandbox: MailSandbox) -> None:
    octets = b"Subject: x\r\nX-Odd:\t\xe9 \r\n\r\n.dot\r\n \r\nlast\r\n"
    send(octets)
    assert client.get("/api/v1/message/1/raw").data == octets
    assert client.get("/message/1.eml").data == octets


def test_headers_keep_every_value(client: FlaskClient, send: Send) -> None:
    send(b"Subject: x\r\nReceived: a\r\nReceived: b\r\n\r\n")
    assert client.get("/api/v1/message/1/headers").json == {"Subject": ["x"], "Received": ["a", "b"]}


def test_marking_and_deleting(client: FlaskClient, send: Send) -> None:
    for subject in ("one", "two", "three"):
        send(Subject=subject)
    assert client.put("/api/v1/messages", json={"IDs": ["1"], "Read": True}).data == b"ok"
    assert client.get("/api/v1/messages").json["unread"] == 2  # type: ignore[index]
    assert client.delete("/api/v1/messages", json={"IDs": ["1", "2"]}).data == b"ok"
    assert client.get("/api/v1/messages").json["total"] == 1  # type: ignore[index]
    assert client.delete("/api/v1/messages").data == b"ok"
    assert client.get("/api/v1/messages").json["total"] == 0  # type: ignore[index]


@pytest.mark.parametrize(
    "path, status",
    [
        ("/api/v1/message/5", 404),
        ("/api/v1/message/x", 404),
        ("/api/v1/message/1/part/x", 404),
        ("/api/v1/message/" + "9" * 60, 404),
        ("/api/v1/messages?limit=x", 400),
        ("/api/v1/messages?start=-1", 400),
        ("/api/v1/messages?limit=" + "9" * 60, 400),
        ("/api/v1/nothing", 404),
        ("/api/events?after=x", 400),
    ],
)
def test_errors_are_json(client: FlaskClient, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert list(answer.json or {}) == ["Error"]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"IDs": "1"}', b'{"IDs": [1]}', b'{"IDs": ["x"]}', b"\xff"])
def test_a_body_that_is_not_understood_deletes_nothing(client: FlaskClient, send: Send, body: bytes) -> None:
    send(Subject="kept")
    assert client.delete("/api/v1/messages", data=body).status_code == 400
    assert client.get("/api/v1/messages").json["total"] == 1  # type: ignore[index]


NAMES = [
    "../../etc/passwd",
    "a\r\nSet-Cookie: x=1",
    "nul\0.txt",
    "\udcff.txt",
    "x" * 5000 + ".pdf",
    "",
    "...",
    "r\u00e9sum\u00e9.pdf",
    'q".html',
    "C:\\x\\y.exe",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_an_attachment_is_saved_under_a_harmless_name(name: str) -> None:
    from mailsandbox_viewer.document import disposition

    value = disposition(name, "part-1")
    value.encode("latin-1")
    assert not set(value) & set("\r\n\0\\/")
    assert value.startswith('attachment; filename="')
    assert 'filename=""' not in value
    assert len(value) < 1000
    assert ".." not in value.split(";")[1]


@pytest.mark.parametrize("path", ["/api/v1/message/1/part/1", "/message/1/part/1"])
@pytest.mark.parametrize(
    "kind, served",
    [
        ("text/html", "application/octet-stream"),
        ("image/svg+xml", "application/octet-stream"),
        ("application/pdf", "application/octet-stream"),
        ("text/xml", "application/octet-stream"),
        ("image/png", "image/png"),
    ],
)
def test_active_types_are_neutral(client: FlaskClient, send: Send, path: str, kind: str, served: str) -> None:
    mail = EmailMessage()
    mail.set_content("see attached")
    maintype, subtype = kind.split("/")
    mail.add_attachment(b"<script>", maintype=maintype, subtype=subtype, filename="../a\u00e9.html")
    send(mail)
    answer = client.get(path)
    assert answer.data == b"<script>"
    assert answer.mimetype == served
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="a')
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    shown: Any = client.get("/api/v1/message/1").json
    assert shown["Attachments"][0]["PartID"] == "1"
