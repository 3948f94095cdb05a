import pytest
from flask.testing import FlaskClient

from mailsandbox import Mailbox

from .conftest import People


@pytest.fixture
def readers(people: People) -> list[str]:
    people.register("ann", "bob", "zoe")
    return [f"{name}@example.com" for name in ("ann", "bob", "john", "susan", "zoe")]


@pytest.mark.parametrize("app", ["sync", "thread"], indirect=True)
def test_one_connection(client: FlaskClient, readers: list[str], mailbox: Mailbox) -> None:
    """The newsletter goes to every user over one connection, whatever path other mail takes."""
    response = client.post("/newsletter", data={"subject": "News", "body": "All is well."}, follow_redirects=True)

    mails = mailbox.all()
    assert sorted(mail.to[0] for mail in mails) == readers
    assert all(len(mail.recipients) == 1 for mail in mails)
    assert {mail.headers["X-Microblog-Path"] for mail in mails} == {"bulk"}
    assert len({mail.session.id for mail in mails}) == 1
    assert "Newsletter sent to 5 readers." in response.text


def test_text(client: FlaskClient, people: People, mailbox: Mailbox) -> None:
    """Paragraphs stay paragraphs in both versions, and long ones are wrapped as mail requires."""
    client.post("/newsletter", data={"subject": "Grüße", "body": "Tea & <cake>. " * 200 + "\n\nThe end."})

    mail = mailbox.one(subject="Grüße", to="susan@example.com")
    assert mail.text.splitlines()[:2] == ["Dear susan,", ""]
    assert "The end." in mail.text.splitlines()
    assert "Tea &amp; &lt;cake&gt;." in mail.html
    assert max(len(line) for line in mail.raw.splitlines()) < 998


def test_subject_is_one_line(client: FlaskClient, people: People, mailbox: Mailbox) -> None:
    """A newline in the subject becomes a space and adds no header."""
    client.post("/newsletter", data={"subject": "News\r\nBcc: eve@example.com", "body": "All is well."})

    assert len(mailbox) == 2
    assert {mail.subject for mail in mailbox} == {"News Bcc: eve@example.com"}
    mailbox.none(recipient="eve@example.com")


@pytest.mark.parametrize("form", [{"subject": " ", "body": "x"}, {"subject": "x", "body": " "}])
def test_incomplete(client: FlaskClient, people: People, mailbox: Mailbox, form: dict[str, str]) -> None:
    """A newsletter without a subject or without a text is refused and sends nothing."""
    assert "needs a subject and a text" in client.post("/newsletter", data=form).text
    mailbox.none()
