from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.security import generate_password_hash

from mailsandbox.microblog import auth, create_app, sending

PASSWORD = "correct horse"


class People:
    """Whoever uses the application in a test, all through one browser."""

    def __init__(self, client: FlaskClient) -> None:
        self._client = client

    def register(self, *names: str, about: str = "") -> None:
        for name in names:
            form = {"username": name, "email": f"{name}@example.com", "about": about, "password": PASSWORD}
            response = self._client.post("/auth/register", data=form)
            assert response.location == "/auth/login", response.text

    def login(self, name: str, base_url: str | None = None) -> None:
        form = {"username": name, "password": PASSWORD}
        response = self._client.post("/auth/login", data=form, base_url=base_url)
        assert response.location == "/", response.text


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords in no time: a good hash is slow on purpose, and every test registers somebody."""
    cheap = partial(generate_password_hash, method="pbkdf2:sha256:1")
    monkeypatch.setattr(auth, "generate_password_hash", cheap)


@pytest.fixture
def app(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Flask]:
    """An application of its own for each test; an indirect parameter chooses its sending path."""
    app = create_app(
        {
            "TESTING": True,
            "DATABASE": tmp_path / "microblog.sqlite",
            "MAIL_SENDING": getattr(request, "param", "sync"),
        }
    )
    yield app
    sending.close(app)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def people(client: FlaskClient) -> People:
    """John, who is logged in, and Susan."""
    people = People(client)
    people.register("susan")
    people.register("john", about="Trains <3 & tea")
    people.login("john")
    return people
