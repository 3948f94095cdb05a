"""Reading mail: total, lazy, and honest about what it could not read."""

import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsandbox.message import Address, Envelope, Message, Summary


def read(raw: bytes, *recipients: str) -> Message:
    return Message(raw, Envelope("a@b.test", recipients))


def reasons(message: Message) -> str:
    return "; ".join(f"{defect.field}: {defect.reason}" for defect in message.defects)


@pytest.mark.parametrize(
    ("header", "subject"),
    [
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        (b"=?utf-8?b?w6Q=?= =?utf-8?b?w6Q=?=", "ää"),
        (b"=?utf-8?b?w6Q=?=\r\n =?utf-8?b?w6Q=?=", "ää"),
        (b"=?utf-8?b?w?= =?utf-8?b?6Q=?=", None),
        (b"=?utf-8?q?=F0=9F=8E?= =?utf-8?q?=89?=", "\U0001f389"),
        (b"a =?iso-8859-1?q?=E4?= b", "a ä b"),
        (b"=?iso-8859-1?q?a_b?=", "a b"),
        ("Grüße".encode(), "Grüße"),
        (b"folded\r\n  over\r\n\tlines", "folded  over\tlines"),
        (b"2 =? 3", "2 =? 3"),
        (b"=?utf-8*de?q?hallo?=", "hallo"),
    ],
)
def test_subjects(header: bytes, subject: str | None) -> None:
    """Encoded words, neighbours cut inside a character, raw UTF-8 and folding."""
    message = read(b"Subject: " + header + b"\r\n\r\n")
    if subject is not None:
        assert message.subject == subject
        assert message.content.defects == ()


BROKEN = {
    "unknown charset": (
        b"Content-Type: text/plain; charset=klingon\r\n\r\nna\xc3\xafve",
        "text",
        "naïve",
        "unknown charset",
    ),
    "hostile charset": (
        b"Content-Type: text/plain; charset=unicode_escape\r\n\r\n\\ud800x",
        "text",
        "\ufffdx",
        "surrogates",
    ),
    "bytes codec": (b"Content-Type: text/plain; charset=zlib\r\n\r\nhi", "text", "hi", "unknown charset"),
    "cut encoded word": (b"Subject: =?utf-8?b?w6Q=?= =?utf-8?b?w6\r\n\r\n", "subject", "ä =?utf-8?b?w6", "cut short"),
    "surrogate": (b"Subject: =?utf-7?q?+2AA-?=\r\n\r\n", "subject", "\ufffd", "surrogates"),
    "NUL": (b"\r\na\x00b", "text", "a\ufffdb", "NUL"),
    "empty": (b"", "text", "", ""),
    "deep comments": (b"To: " + b"(" * 5000 + b" <a@b.test>\r\n\r\n", "to", (Address("a@b.test"),), "cannot be parsed"),
    "a 14-digit year": (b"Date: Mon, 1 Jan 20250000000000 00:00:00 +0000\r\n\r\n", "date", None, "not a date"),
    "name* without value": (b"Content-Type: text/plain; name*\r\n\r\nhi", "text", "hi", "without a value"),
    "name* in a part": (
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; name*\r\n\r\nhi\r\n--x--",
        "text",
        "hi",
        "without a value",
    ),
    "Exchange's brackets": (
        b"Message-ID: <[8f1b@microsoft.com]>\r\n\r\n",
        "message_id",
        "<[8f1b@microsoft.com]>",
        "not a msg-id",
    ),
    "broken base64": (b"Content-Transfer-Encoding: base64\r\n\r\nnot base64!", "text", None, "InvalidBase64"),
    "no boundary": (b"Content-Type: multipart/mixed\r\n\r\nhi", "text", "", "NoBoundary"),
    "an address without a domain": (b"To: Doe\r\n\r\n", "to", (Address("Doe"),), "without a domain"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_mail_is_read_as_well_as_it_can_be(name: str) -> None:
    """The best readable value there is, and a recorded defect."""
    raw, field, value, reason = BROKEN[name]
    message = read(raw)
    if value is not None or field == "date":
        assert getattr(message, field) == value
    assert reason in reasons(message)
    assert message.raw == raw


def test_nesting_without_end() -> None:
    """A thousand levels are one part with a note; the headers are read."""
    raw = b"Subject: deep\r\n"
    for level in range(1000):
        raw += b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
    message = read(raw)
    assert message.subject == "deep"
    assert "nested too deeply" in reasons(message)


def test_a_whole_mail() -> None:
    """Texts, inline images and attachments, each where it belongs; an attached message keeps its octets."""
    inner = b"Subject: inner\r\n\r\n\xff.\r\n"
    raw = (
        b'From: =?utf-8?q?D=C3=B6e=2C_J?= <j@x.test>\r\nTo: "A, B" <A@B.Test>, team: c@d.test, e@f.test;\r\n'
        b"Cc: g@h.test\r\nReply-To: r@x.test\r\nDate: Fri, 2 Jan 2026 03:04:05 +0100\r\n"
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
        b"--x\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n"
        b"--y\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHallo \xc3\xa4\r\n"
        b"--y\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>Hi=\r\n &amp; <a href=3D'http://e.test/1'>go</a>\r\n--y--\r\n"
        b"--x\r\nContent-Type: image/png\r\nContent-ID: <logo@x>\r\nContent-Disposition: inline\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n"
        b"--x\r\nContent-Type: text/csv; charset=utf-8\r\nContent-Disposition: attachment; filename*=utf-8''%E2%82%AC.csv\r\n\r\n1;\xe2\x82\xac\r\n"
        b"--x\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--x--\r\n"
    )
    message = read(raw, "a@b.test", "A@b.test", "hidden@x.test", "hidden@x.test")
    assert message.sender is not None
    assert (message.sender, message.sender.name) == ("j@x.test", "Döe, J")
    assert message.to == ("A@B.Test", "c@d.test", "e@f.test")
    assert message.to[0].full == '"A, B" <A@B.Test>'
    assert message.bcc == ("a@b.test", "hidden@x.test")
    assert message.date == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert message.text == "Hallo ä"
    assert message.html.startswith("<p>Hi &amp;")
    assert [(link.text, link.href) for link in message.links] == [("go", "http://e.test/1")]
    image, table, forwarded = message.attachments
    assert (image.content_id, image.disposition, image.bytes) == ("logo@x", "inline", b"\x00\x01\x02")
    assert (table.filename, table.text) == ("€.csv", "1;€")
    assert (forwarded.content_type, forwarded.bytes) == ("message/rfc822", inner)


TRAPS = {
    "words": b"Subject: " + b"word " * 200_000,
    "encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 20_000,
    "parameters": b"Content-Type: text/plain" + b"; p=1" * 10_000,
    "recipients": b"To: " + b", ".join(b"a%d@b.test" % n for n in range(10_000)),
    "dots": b"To: " + b"a." * 40_000 + b"@b.test",
    "comments": b"To: " + b"(" * 40_000,
    "quotes": b"To: " + b'"' * 40_001,
    "nested html": b"Content-Type: text/html\r\n\r\n" + b"<div>" * 40_000,
    "open tags": b"Content-Type: text/html\r\n\r\n" + b"<a " * 100_000,
    "url": b"\r\n" + b"http://" * 50_000 + b")" * 10_000,
}


@pytest.mark.parametrize("name", TRAPS)
def test_no_mail_is_a_trap(name: str) -> None:
    """What costs parsers minutes is read in processor time a reader would not notice."""
    started = time.process_time()
    message = read(TRAPS[name] + b"\r\n\r\nhi")
    Summary.digest(message)
    assert message.defects is not None
    # Far from a timing: the quadratic readings of these cost between twenty seconds and an hour.
    assert time.process_time() - started < 10


PIECES = st.sampled_from(
    [
        b"Subject: ",
        b"To: ",
        b"Content-Type: ",
        b"multipart/mixed; boundary=x",
        b"text/html; charset=",
        b"=?utf-8?b?",
        b"?=",
    ]
    + [
        b"--x",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\x00",
        b"\xff",
        b"<",
        b">",
        b"@",
        b"(",
        b'"',
        b";",
        b"name*",
        b"=",
        b"%",
        b"\\",
    ]
    + [
        b"base64",
        b"Content-Transfer-Encoding: ",
        b"Date: ",
        b"Message-ID: ",
        b"99999999999999",
        b"utf-7",
        b"+2AA-",
        b"a",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=400), st.lists(PIECES, max_size=40).map(b"".join)))
def test_any_octets_can_be_read(raw: bytes) -> None:
    """Never an exception, and never text that UTF-8, JSON or a database cannot hold."""
    message = read(raw, "a@b.test")
    told = [
        json.dumps(Summary.digest(message), ensure_ascii=False),
        message.text,
        message.html,
        message.message_id,
        reasons(message),
        *(header.name + header.value + header.raw for header in message.headers),
        *(a.filename + a.content_type + a.content_id + a.text for a in message.attachments),
        *(link.text + link.href for link in message.links),
    ]
    for text in told:
        text.encode()
        assert "\x00" not in text
    assert message.raw == raw


@pytest.mark.parametrize(
    ("raw", "parameters", "said"),
    [
        (b"Subject: x\r\n\r\n" + b"y" * 999 + b"\r\n", (), "a line of 999 octets"),
        (b"Subject: x\r\n\r\na\rb\r\n", (), "a CR that ends no line"),
        (b"Subject: x\r\n\r\na\nb\r\n", (), "a LF without its CR"),
        (b"Subject: x\r\n\r\na\x00b\r\n", (), "a NUL octet"),
        (b"Subject: x\r\n\r\n\xc3\xbc\r\n", (), "did not declare with BODY=8BITMIME"),
        (b"Subject: x\r\n\r\n\xc3\xbc\r\n", ("body=8bitmime",), ""),
        (b"Subject: x\r\n\r\n" + b"y" * 998 + b"\r\n", (), ""),
    ],
)
def test_octets_that_other_servers_refuse_are_reported(raw: bytes, parameters: tuple[str, ...], said: str) -> None:
    """They are kept as sent, and it is said what may happen to them elsewhere."""
    reasons = [defect.reason for defect in Message(raw, Envelope(parameters=parameters)).defects]
    assert any(said in reason for reason in reasons) if said else not reasons
