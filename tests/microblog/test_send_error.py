import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from mailsandbox.microblog import create_app, sending

pytestmark = pytest.mark.usefixtures("people")


@pytest.fixture
def app(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Flask]:
    """An application that really sends, to a port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can get the port meanwhile
        app = create_app(
            {
                "TESTING": True,
                "DATABASE": tmp_path / "microblog.sqlite",
                "MAIL_PORT": taken.getsockname()[1],
                "MAIL_SUPPRESS_SEND": False,
                "MAIL_SENDING": getattr(request, "param", "sync"),
            }
        )
        yield app
        sending.close(app)


@pytest.mark.parametrize("app", ["sync", "bulk"], indirect=True)
def test_visitor_is_told(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """When the mail cannot be sent, the visitor reads so, the follow stands, and the reason is logged."""
    response = client.post("/follow/susan", follow_redirects=True)

    assert response.status_code == 200
    assert "You are now following susan." in response.text
    assert "could not send susan a mail" in response.text
    assert "1 follower" in response.text
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], OSError)


@pytest.mark.parametrize("app", ["pool"], indirect=True)
def test_background_is_logged(app: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """A mail that fails in the background is logged, and its visitor is not bothered."""
    response = client.post("/follow/susan", follow_redirects=True)
    sending.close(app)

    assert "could not send" not in response.text
    assert "Could not send 'john is now following you!' in the background." in caplog.text


def test_newsletter(client: FlaskClient) -> None:
    """A newsletter that cannot be sent ends in a friendly message."""
    response = client.post("/newsletter", data={"subject": "News", "body": "Well."}, follow_redirects=True)

    assert "The newsletter could not be sent to everybody." in response.text
