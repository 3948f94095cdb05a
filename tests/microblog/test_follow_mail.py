import pytest
from flask.testing import FlaskClient

from mailsandbox import Mailbox
from mailsandbox.microblog.sending import SENDERS

from .conftest import People

pytestmark = pytest.mark.usefixtures("people")


@pytest.mark.parametrize("app", SENDERS, indirect=True)
def test_follow_sends_one_mail(client: FlaskClient, mailbox: Mailbox, request: pytest.FixtureRequest) -> None:
    """Whatever the sending path, following somebody sends her exactly one mail, which names the path."""
    client.post("/follow/susan")

    mail = mailbox.one(timeout=10, to="susan@example.com", subject="john is now following you!")
    assert mail.sender == "no-reply@microblog.example"
    assert mail.headers["X-Microblog-Path"] == request.node.callspec.params["app"]
    assert len(mailbox) == 1


def test_follow_mail_shows_the_follower(client: FlaskClient, mailbox: Mailbox) -> None:
    """The mail shows the follower's profile text and picture, and its links lead back to the application."""
    client.post("/follow/susan")

    mail = mailbox.one()
    assert "Trains <3 & tea" in mail.text
    assert "http://localhost/user/john" in mail.text
    assert "Trains &lt;3 &amp; tea" in mail.html
    assert 'src="http://localhost/avatar/john.svg"' in mail.html
    assert "http://localhost/user/john" in {link.href for link in mail.links}
    assert all(link.href.startswith("http://localhost/") for link in mail.links)
    for link in mail.links:
        assert client.get(link.href).status_code == 200


def test_second_follow_is_no_news(client: FlaskClient, mailbox: Mailbox) -> None:
    """Following somebody whom one follows already sends no second mail."""
    client.post("/follow/susan")
    client.post("/follow/susan")

    assert len(mailbox) == 1


def test_follow_oneself(client: FlaskClient, mailbox: Mailbox) -> None:
    """Nobody can follow themselves, and trying sends nothing."""
    response = client.post("/follow/john", follow_redirects=True)

    assert "You cannot follow yourself." in response.text
    mailbox.none()


def test_follow_nobody(client: FlaskClient, mailbox: Mailbox) -> None:
    """Following a user who does not exist is a 404 and sends nothing."""
    assert client.post("/follow/nobody").status_code == 404
    mailbox.none()


def test_unfollow(client: FlaskClient, mailbox: Mailbox) -> None:
    """Unfollowing takes the follower off the profile without a mail."""
    client.post("/follow/susan")
    assert "1 follower" in client.get("/user/susan").text
    response = client.post("/unfollow/susan", follow_redirects=True)

    assert "0 followers" in response.text
    assert len(mailbox) == 1


@pytest.mark.parametrize("path", ["/follow/susan", "/newsletter"])
def test_stranger(client: FlaskClient, mailbox: Mailbox, path: str) -> None:
    """Whoever is not logged in is sent to the login page, and causes no mail."""
    client.post("/auth/logout")

    assert client.post(path, data={"subject": "Hi", "body": "Buy!"}).location == "/auth/login"
    mailbox.none()


def test_links_name_the_host_of_the_request(client: FlaskClient, people: People, mailbox: Mailbox) -> None:
    """The links of a mail take scheme and host from the request that caused it."""
    people.login("john", base_url="https://blog.test")
    client.post("/follow/susan", base_url="https://blog.test")

    assert "https://blog.test/user/john" in mailbox.one().text
