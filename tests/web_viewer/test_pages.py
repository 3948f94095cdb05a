"""The pages, without a script."""

from email.message import EmailMessage

import pytest
from flask.testing import FlaskClient

from tests.web_viewer.conftest import Send


def test_an_empty_inbox_says_how_to_connect(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "MAIL_SERVER = &#34;127.0.0.1&#34;" in page or 'MAIL_SERVER = "127.0.0.1"' in page
    assert "MAIL_PORT = 8025" in page


def test_the_list_has_the_newest_first(client: FlaskClient, send: Send) -> None:
    send(Subject="first")
    send(Subject="second")
    page = client.get("/").text
    assert page.index("second") < page.index("first")
    assert page.count('class="mail unread"') == 2


def test_older_mail_is_on_the_next_page(client: FlaskClient, send: Send) -> None:
    for index in range(52):
        send(Subject=f"number {index:02}")
    assert "number 01" not in client.get("/").text
    assert 'href="/?before=3"' in client.get("/").text
    assert "number 01" in client.get("/?before=3").text


def test_a_message_page_shows_the_envelope_and_marks_it_read(client: FlaskClient, send: Send) -> None:
    send(Subject="hello", to=("bob@example.org", "secret@example.org"))
    page = client.get("/message/1?view=envelope").text
    assert "bounce@example.org" in page
    assert "secret@example.org" in page
    assert "Bcc" in page
    assert 'class="mail unread"' not in client.get("/").text


@pytest.mark.parametrize("view", ["text", "headers", "source", "envelope", "transcript", "html"])
def test_what_a_mail_says_is_text_in_every_view(client: FlaskClient, send: Send, view: str) -> None:
    send(Subject="<script>alert(1)</script>", From='"<img src=x>" <a@example.org>')
    for path in (f"/message/1?view={view}", "/", "/rows?after=0"):
        page = client.get(path).text
        assert "<script>alert" not in page
        assert "<img src=x>" not in page


def test_delete_works_as_a_form(client: FlaskClient, send: Send) -> None:
    send(Subject="one")
    send(Subject="two")
    assert client.post("/message/1/delete").status_code == 303
    assert client.get("/message/1").status_code == 404
    assert client.post("/delete").status_code == 303
    assert "Waiting for the first mail" in client.get("/").text


@pytest.mark.parametrize("path", ["/message/999", "/message/x", "/message/-1", "/message/" + "9" * 40, "/view/latest"])
def test_what_does_not_exist_is_404(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_document_of_a_mail_may_run_and_fetch_nothing(client: FlaskClient, send: Send) -> None:
    mail = EmailMessage()
    mail["Subject"] = "hostile"
    mail.set_content("<script>x()</script><a href='https://example.org'>go</a>", subtype="html")
    send(mail)
    answer = client.get("/view/latest", follow_redirects=True)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-popups")
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "<script" not in answer.text
    assert '<base target="_blank">' in answer.text


def test_broken_octets_are_a_page_too(client: FlaskClient, send: Send) -> None:
    send(b"Subject: =?utf-8?q?=ED=B2=80?= \xff\xfe\r\nContent-Type: text/html; charset=nope\r\n\r\n\xff\xed\xb2\x80<p>")
    for path in (
        "/",
        "/message/1",
        "/message/1?view=source",
        "/message/1?view=headers",
        "/view/1.html",
        "/view/1.txt",
    ):
        assert client.get(path).status_code == 200, path
    assert client.get("/message/1.eml").data.startswith(b"Subject: ")
