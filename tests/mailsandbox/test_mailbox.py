"""What a test holds: queries, expectations and their failure texts."""

import re
import smtplib
import threading
from collections.abc import Callable, Iterator
from email.message import EmailMessage

import pytest

import mailsandbox
from mailsandbox import Mailbox, MailSandbox
from mailsandbox.errors import Closed, MailSandboxError, UnknownCriterion

Send = Callable[..., None]


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with MailSandbox() as sandbox:
        yield sandbox.open("box")


@pytest.fixture
def send(box: Mailbox) -> Send:
    def send(subject: str = "Hello", to: str = "Ann <ann@shop.test>", **more: str) -> None:
        mail = EmailMessage()
        mail["Subject"], mail["To"], mail["From"] = subject, to, "Shop <shop@shop.test>"
        for name, value in more.items():
            mail[name.replace("_", "-")] = value
        mail.set_content("Dear Ann,\nyour code  is 123456.\n")
        mail.add_alternative(
            "<p>Dear <b>Ann</b> O&#39;Brien <a href='http://shop.test/r/1'>Reset</a></p>", subtype="html"
        )
        mail.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="invoice.pdf")
        with smtplib.SMTP(box.host, box.port) as client:
            client.send_message(mail, to_addrs=["ann@shop.test", "archive@shop.test"])

    return send


MATCHING = [
    {"subject": "Hello"},
    {"subject": re.compile("^Hel")},
    {"subject": str.istitle},
    {"to": "ann@SHOP.test"},
    {"to": "Ann <ann@shop.test>"},
    {"to": ["ann@shop.test"]},
    {"to": {"ann@shop.test"}},
    {"to": re.compile("^Ann <")},
    {"sender": "shop@shop.test"},
    {"bcc": "archive@shop.test"},
    {"cc": []},
    {"recipient": "archive@shop.test"},
    {"envelope_from": "shop@shop.test"},
    {"reply_to": []},
    {"text": "Ann, your code is 123456."},
    {"html": "Dear Ann O'Brien"},
    {"html": "<b>Ann</b>"},
    {"body": re.compile(r"\d{6}")},
    {"header": "X-Campaign"},
    {"header": {"x-campaign": "42", "X-Other": None}},
    {"attachment": "invoice.pdf"},
    {"attachment": lambda a: a.bytes == b"%PDF"},
    {"link": "Reset"},
    {"link": "http://shop.test/r/1"},
    {"link": re.compile("/r/")},
    {"where": lambda m: m.size > 100},
]
DIFFERING = [
    {"subject": "hello"},
    {"to": "Bob <ann@shop.test>"},
    {"to": "Ann@shop.test"},
    {"to": ["ann@shop.test", "archive@shop.test"]},
    {"sender": None},
    {"bcc": "ann@shop.test"},
    {"envelope_from": ""},
    {"text": "Dear Bob"},
    {"header": {"x-campaign": "43"}},
    {"header": {"x-campaign": None}},
    {"attachment": "invoice.doc"},
    {"link": "http://shop.test/"},
    {"where": lambda m: False},
]


@pytest.mark.parametrize("want", MATCHING, ids=lambda want: next(iter(want)))
def test_what_matches(box: Mailbox, send: Send, want: dict[str, object]) -> None:
    """Plain values, patterns, predicates and `==`."""
    send(X_Campaign="42")
    assert box.all(**want) == [box[0]]
    assert box[0].check(**want) == box.one(**want)


@pytest.mark.parametrize("want", DIFFERING, ids=lambda want: next(iter(want)))
def test_what_differs(box: Mailbox, send: Send, want: dict[str, object]) -> None:
    """And says so: matching and explaining cannot disagree."""
    send(X_Campaign="42")
    box.none(**want)
    with pytest.raises(AssertionError, match="differs in\n    " + next(iter(want))):
        box[0].check(**want)
    with pytest.raises(AssertionError, match="closest: #0 differs in"):
        box.one(**want)


def test_wrong_criteria(box: Mailbox) -> None:
    """A typo is an error that names the right one, and a TypeError."""
    with pytest.raises(TypeError, match="unknown criterion 'subjcet'; did you mean 'subject'"):
        box.one(subjcet="x")  # type: ignore[call-arg]
    with pytest.raises(UnknownCriterion):
        box.none(too="x")  # type: ignore[call-arg]


def test_like_a_list(box: Mailbox, send: Send) -> None:
    """Length, index, slice, iteration, equality, and an IndexError that shows what there is."""
    assert (len(box), list(box), box == [], bool(box)) == (0, [], True, False)
    send("one")
    send("two")
    assert [message.subject for message in box] == ["one", "two"]
    assert (box[-1].subject, [m.subject for m in box[:1]], len(box.now)) == ("two", ["one"], 2)
    assert box == [box.first(), box.last()]
    assert repr(box).startswith("<Mailbox 'box' 2 mails: 'one' to ann@shop.test")
    with pytest.raises(IndexError, match="#1 'two'"):
        box[2]
    box.clear()
    assert len(box) == 0


def test_how_many(box: Mailbox, send: Send) -> None:
    """`one` wants exactly one, `first` and `last` at least one, `none` none, `wait` a number."""
    for subject in ("a", "b", "a"):
        send(subject)
    with pytest.raises(AssertionError, match=r"expected exactly 1 mail with subject='a', got 2"):
        box.one(subject="a")
    assert box.first(subject="a").id < box.last(subject="a").id
    assert len(box.wait(2, subject="a", exact=True)) == 2
    with pytest.raises(AssertionError, match="expected exactly 1 mail with subject='a', got 2"):
        box.wait(1, subject="a", exact=True)
    with pytest.raises(AssertionError, match="expected no mail with subject='b', got 1"):
        box.none(subject="b")
    with pytest.raises(AssertionError, match=r"expected at least 4 mails, got 3\nwaited 0\."):
        box.wait(4, timeout=0.05)


def test_waiting_is_woken_by_the_commit(box: Mailbox, send: Send) -> None:
    """A mail from a thread is waited for; the wait does not take its timeout."""
    thread = threading.Thread(target=send, args=("later",))
    thread.start()
    assert box.wait(timeout=30)[0].subject == "later"
    thread.join()


def test_raw_and_headers(box: Mailbox, send: Send) -> None:
    """The header mapping knows no case and names what there is."""
    send(X_Campaign="42")
    message = box.one()
    assert message.headers["x-CAMPAIGN"] == "42"
    assert "Subject" in message.headers
    with pytest.raises(KeyError, match="X-Campaign"):
        message.headers["X-Nope"]
    with pytest.raises(AssertionError, match=r"there is: 'invoice\.pdf'"):
        message.attachment("other.pdf")
    assert message.attachment("invoice.pdf").content_type == "application/pdf"


def test_what_was_captured_outlives_the_sandbox() -> None:
    """A mailbox can be read after its end; opening or binding it cannot."""
    with MailSandbox() as sandbox:
        box = sandbox.open("box")
        with pytest.raises(MailSandboxError, match="'box' is open already"):
            sandbox.open("box")
        with smtplib.SMTP(box.host, box.port) as client:
            client.sendmail("a@b.test", ["c@d.test"], "Subject: kept\r\n\r\n")
        assert len(box) == 1
    assert box[0].subject == "kept"
    with pytest.raises(Closed):
        sandbox.open("other")


def test_capture_in_one_line() -> None:
    """The form for scripts and unittest: the application is pointed here and put back."""
    from flask import Flask
    from flask_mail import Mail

    app = Flask("shop")
    app.config.update(TESTING=True, MAIL_DEFAULT_SENDER="shop@shop.test")
    mail = Mail(app)
    with mailsandbox.capture(app) as box, app.app_context():
        mail.send_message("Hi", recipients=["ann@shop.test"], bcc=["archive@shop.test"])
        assert box.one(to="ann@shop.test").bcc == ["archive@shop.test"]
    assert app.extensions["mail"].suppress is True
