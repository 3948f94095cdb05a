"""A sandbox with one mailbox, the viewer of it, and a way to send mail to it."""

import smtplib
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from mailsandbox import MailSandbox
from mailsandbox_viewer import ViewerServer, create_app

Send = Callable[..., None]


@pytest.fixture
def sandbox() -> Iterator[MailSandbox]:
    with MailSandbox() as running:
        yield running


@pytest.fixture
def send(sandbox: MailSandbox) -> Send:
    box = sandbox.open("x")

    def send(
        mail: EmailMessage | bytes | None = None,
        *,
        to: tuple[str, ...] = ("bob@example.org",),
        **headers: Any,
    ) -> None:
        if mail is None:
            mail = EmailMessage()
            for name, value in {"From": "Ann <ann@example.org>", "To": "bob@example.org", **headers}.items():
                mail[name] = value
            mail.set_content("Hello Bob")
        octets = mail if isinstance(mail, bytes) else mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        with smtplib.SMTP(box.host, box.port) as client:
            client.sendmail("bounce@example.org", to, octets)

    return send


@pytest.fixture
def app(sandbox: MailSandbox) -> Flask:
    return create_app(sandbox.inbox)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def server(app: Flask) -> Iterator[ViewerServer]:
    with ViewerServer(app, "127.0.0.1", 0) as running:
        yield running
