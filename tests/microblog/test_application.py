from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from mailsandbox.microblog import create_app

from .conftest import People


def test_unknown_sending_path(tmp_path: Path) -> None:
    """A MAIL_SENDING that does not exist is refused at once, with the names that do."""
    with pytest.raises(ValueError, match=r"'pigeon'; it must be one of: sync, thread, pool, bulk"):
        create_app({"DATABASE": tmp_path / "microblog.sqlite", "MAIL_SENDING": "pigeon"})


def test_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where mail goes and how it gets there can be said in the environment."""
    monkeypatch.setenv("MAIL_SERVER", "mail.test")
    monkeypatch.setenv("MAIL_PORT", "2525")
    monkeypatch.setenv("MAIL_SENDING", "pool")
    app = create_app({"DATABASE": tmp_path / "microblog.sqlite"})

    assert (app.config["MAIL_SERVER"], app.config["MAIL_PORT"]) == ("mail.test", 2525)
    assert app.config["MAIL_SENDING"] == "pool"


def test_database_is_made_and_kept(tmp_path: Path) -> None:
    """A missing database is made with its folder, and what is in it outlives the application."""
    config = {"TESTING": True, "DATABASE": tmp_path / "new" / "microblog.sqlite"}
    People(create_app(config).test_client()).register("susan")

    assert create_app(config).test_client().get("/user/susan").status_code == 200


def test_init_db(app: Flask, client: FlaskClient, people: People) -> None:
    """`flask init-db` empties the database, and who was logged in no longer is."""
    result = app.test_cli_runner().invoke(args=["init-db"])

    assert result.output == "Initialized the database.\n"
    assert client.get("/user/susan").status_code == 404
    assert "Log in" in client.get("/").text


@pytest.mark.parametrize("path", ["/auth/register", "/auth/login"])
def test_pages(client: FlaskClient, path: str) -> None:
    """Registering and logging in have a page with a form each."""
    assert '<form method="post"' in client.get(path).text


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"username": "../admin"}, "A username has"),
        ({"username": "Susan"}, "already registered"),
        ({"email": "SUSAN@example.com"}, "already registered"),
        ({"email": "not an address"}, "not an email address"),
        ({"email": "a@example.com\nBcc: eve@example.com"}, "not an email address"),
        ({"about": "x" * 141}, "140 characters"),
        ({"password": ""}, "password is required"),
    ],
)
def test_register_refuses(client: FlaskClient, people: People, change: dict[str, str], complaint: str) -> None:
    """What cannot become a user is refused with the reason."""
    form = {"username": "new", "email": "new@example.com", "about": "", "password": "secret"}
    assert complaint in client.post("/auth/register", data=form | change).text


def test_wrong_password(client: FlaskClient, people: People) -> None:
    """A wrong password and an unknown name get the same answer."""
    for name in ("susan", "nobody"):
        response = client.post("/auth/login", data={"username": name, "password": "wrong"})
        assert "Unknown username or wrong password." in response.text


def test_posts(client: FlaskClient, people: People) -> None:
    """A post is shown to everybody, newest first, with its markup harmless; an empty one is refused."""
    client.post("/post", data={"body": "First"})
    client.post("/post", data={"body": "Second <b>"})
    refused = client.post("/post", data={"body": " "}, follow_redirects=True)

    assert "A post has 1 to 500 characters." in refused.text
    for page in (client.get("/").text, client.get("/user/john").text):
        assert page.index("Second &lt;b&gt;") < page.index("First")


def test_profile_offers_the_right_button(client: FlaskClient, people: People) -> None:
    """Others' profiles can be followed or unfollowed, one's own neither."""
    assert "/follow/susan" in client.get("/user/susan").text
    client.post("/follow/susan")
    assert "/unfollow/susan" in client.get("/user/susan").text
    assert "follow/john" not in client.get("/user/john").text


def test_avatar(client: FlaskClient) -> None:
    """Each name has its own picture, always the same."""
    john, again, susan = (client.get(f"/avatar/{name}.svg") for name in ("john", "john", "susan"))

    assert john.mimetype == "image/svg+xml"
    assert john.data == again.data != susan.data


@pytest.mark.parametrize("path", ["/follow/susan", "/unfollow/susan", "/auth/logout", "/post"])
def test_changes_need_post(client: FlaskClient, people: People, path: str) -> None:
    """Nothing is changed by following a link."""
    assert client.get(path).status_code == 405
