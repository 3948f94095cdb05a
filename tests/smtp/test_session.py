"""The SMTP server over real sockets."""

import smtplib
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsandbox import Mailbox, MailSandbox
from mailsandbox.errors import ListenError
from mailsandbox.smtp import Limits
from mailsandbox.smtp.data import DataReader
from mailsandbox.smtp.path import BadPath, parse_path
from tests.smtp.conftest import Client, start


@pytest.mark.parametrize(
    "raw",
    [b"", b"x", b".", b"..\r\n.", b"a\nb\rc\r\n\x00\xff\r\n", b"Subject: x\r\n\r\n" + b"y" * 9000, b"\r\n\r\n\r\n"],
)
def test_raw_equals_what_was_sent(client: Client, box: Mailbox, raw: bytes) -> None:
    """Whatever the octets, they are kept as sent, once the transparency of DATA is undone."""
    start(client)
    body = raw.replace(b"\r\n.", b"\r\n..")
    client.send((b"." if raw.startswith(b".") else b"") + body + b"\r\n.\r\n")
    assert client.reply().startswith("250 2.0.0")
    assert box.one().raw == raw + b"\r\n"


BAD_ENDS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\r\n.\r\r\n",
    b"\r\n\x00.\r\n",
    b"\r\n.\x00\r\n",
    b"\r\x00\n.\r\n",
    b"\r\n.\r\x00\n",
    b"\n\r.\r\n",
    b"\r\n. \r\n",
    b"\x85.\x85",
]


@pytest.mark.parametrize("end", BAD_ENDS)
def test_only_crlf_dot_crlf_ends_data(client: Client, box: Mailbox, end: bytes) -> None:
    """No other terminator, so none can smuggle a second message in."""
    start(client)
    smuggled = b"x" + end + b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<v@x.test>\r\nDATA\r\nevil"
    client.send(smuggled + b"\r\n.\r\n")
    assert client.reply().startswith("250 ")
    assert client.say("NOOP").startswith("250 ")
    assert len(box) == 1


def test_the_end_is_found_octet_by_octet(client: Client, box: Mailbox) -> None:
    """A terminator cut anywhere is one."""
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    start(client)
    for octet in b"hello\r\n.\r\n":
        client.send(bytes([octet]))
    assert client.reply().startswith("250 ")
    assert box.one().raw == b"hello\r\n"


@pytest.mark.parametrize("length", [997, 998, 999, 1000, 1001, 2048, 8192, 65_535, 65_536, 131_072, 1_000_000])
def test_lines_of_any_length(length: int) -> None:
    """In a body and in a header; the terminator behind them is found, and the next command answered."""
    with MailSandbox() as sandbox:
        box = sandbox.open("box")
        client = Client(box)
        client.reply()
        client.say("EHLO x")
        start(client)
        raw = b"Subject: " + b"s" * min(length, 100_000) + b"\r\n\r\n" + b"x" * length
        client.send(raw + b"\r\n.\r\n")
        assert client.reply().startswith("250 ")
        assert client.say("NOOP").startswith("250 ")
        assert box.one().raw == raw + b"\r\n"
        client.close()


def test_the_envelope_is_kept_as_sent(client: Client, box: Mailbox) -> None:
    """Nothing is decoded, folded or normalised; who no header names is known."""
    client.say("MAIL FROM:<=?utf-8?q?a?=@x.test> BODY=8BITMIME RET=HDRS ENVID=abc SMTPUTF8")
    for path in ('<"a b"@d.test> NOTIFY=NEVER', "<ü@d.test>", "<c@D.test>"):
        assert client.say(f"RCPT TO:{path}").startswith("250 ")
    client.say("DATA")
    client.send(b"To: c@d.test\r\n\r\nx\r\n.\r\n")
    client.reply()
    mail = box.one()
    assert mail.envelope.reverse_path == "=?utf-8?q?a?=@x.test"
    assert mail.envelope.recipients == ('"a b"@d.test', "ü@d.test", "c@D.test")
    assert mail.envelope.parameters == ("BODY=8BITMIME", "RET=HDRS", "ENVID=abc", "SMTPUTF8")
    assert mail.envelope.recipient_parameters == (("NOTIFY=NEVER",), (), ())
    assert mail.bcc == ['"a b"@d.test', "ü@d.test"]


@pytest.mark.parametrize(
    "line",
    [
        "MAIL FROM:<",
        "MAIL FROM:<a\x00@b>",
        "MAIL FROM:<a@b",
        "MAIL FROM:<a@b>garbage",
        "MAIL FROM:",
        "MAIL",
        "EHLO",
        "HELO",
        "RCPT",
        "DATA x",
        "STARTTLS x",
        "VRFY",
        "\x00\xff",
        "",
        " ",
        "MAIL FROM:<a@b> SIZE=x",
        "MAIL FROM:<a@b> BODY=9BIT",
        "MAIL FROM:<a@b> NOPE=1",
    ],
)
def test_no_reply_shows_our_inside(client: Client, line: str) -> None:
    """Every refusal is a 5xx line of its own words; the session goes on."""
    reply = client.say(line)
    assert reply[0] == "5"
    assert not any(word in reply for word in ("Error", "Exception", "Traceback", "object at"))
    assert client.say("NOOP").startswith("250 ")


def test_a_hundred_recipients() -> None:
    """RFC 5321 4.5.3.1.8."""
    with MailSandbox() as sandbox:
        box = sandbox.open("box")
        with smtplib.SMTP(box.host, box.port, timeout=20) as client:
            client.sendmail("a@b.test", [f"r{n}@d.test" for n in range(100)], "x")
        assert len(box.one().envelope.recipients) == 100


def test_two_hundred_idle_connections_are_in_nobodys_way(sandbox: MailSandbox, box: Mailbox) -> None:
    """A mail still goes in."""
    idle = [Client(box) for _ in range(200)]
    for client in idle:
        assert client.reply().startswith("220 ")
    with smtplib.SMTP(box.host, box.port, timeout=20) as client:
        client.sendmail("a@b.test", ["c@d.test"], "x")
    for client in idle:
        client.close()
    assert len(box) == 1


def test_silence_ends_in_a_421() -> None:
    """A client that says nothing, or too little for too long."""
    for limits, said in ((Limits(idle=0.1), "421 4.4.2 Idle"), (Limits(slow=0.1, idle=0.5), "421 4.4.2")):
        with MailSandbox(limits=limits) as sandbox:
            client = Client(sandbox.open("box"))
            client.reply()
            client.send(b"NOO")
            assert client.reply().startswith(said)
            assert client.file.read() == b""
            client.close()


def test_too_large_a_message(client: Client, box: Mailbox) -> None:
    """552 after the end, nothing kept, and the session still in step; a message of just the limit is kept."""
    start(client)
    client.send(b"x" * 200_000 + b"\r\nQUIT\r\n.\r\n")
    assert client.reply().startswith("552 5.3.4")
    assert client.say("MAIL FROM:<a@b.test> SIZE=10001").startswith("552 5.3.4")
    start(client)
    client.send(b"y" * 9_998 + b"\r\n.\r\n")
    assert client.reply().startswith("250 ")
    assert box.one().size == 10_000


def test_pipelining(client: Client, box: Mailbox) -> None:
    """Many messages in one segment are answered one by one, in order."""
    one = b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nn\r\n.\r\n"
    client.send(one * 100)
    codes = [client.reply()[:3] for _ in range(400)]
    assert codes == ["250", "250", "354", "250"] * 100
    assert len(box) == 100


def test_order_of_commands(client: Client) -> None:
    """Commands out of order get 503 and change nothing."""
    assert client.say("RCPT TO:<a@b.test>").startswith("503 5.5.1")
    assert client.say("DATA").startswith("503 5.5.1")
    assert client.say("mail from: <>").startswith("250 ")
    assert client.say("MAIL FROM:<a@b.test>").startswith("503 5.5.1")
    assert client.say("DATA").startswith("554 5.5.1")
    assert client.say("RCPT TO:<>").startswith("501 5.1.3")
    assert client.say("RSET").startswith("250 ")
    assert client.say("RCPT TO:<a@b.test>").startswith("503 5.5.1")
    assert client.say("BOGUS").startswith("500 5.5.2")
    assert client.say("QUIT").startswith("221 2.0.0")


def test_recipients_over_the_limit_are_refused_and_known(client: Client, box: Mailbox) -> None:
    """452 4.5.3 for each too many; the others get the mail, and the envelope knows who did not."""
    client.say("MAIL FROM:<a@b.test>")
    replies = [client.say(f"RCPT TO:<r{n}@d.test>")[:9] for n in range(4)]
    assert replies == ["250 2.1.5"] * 3 + ["452 4.5.3"]
    client.say("DATA")
    client.say("x\r\n.")
    assert [refusal.address for refusal in box.one().envelope.refused] == ["r3@d.test"]


def test_a_browser_stores_nothing(box: Mailbox) -> None:
    """An HTTP request that hides SMTP in its lines is cut off at its first."""
    client = Client(box)
    client.reply()
    client.send(b"POST / HTTP/1.1\r\nEHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nx\r\n.\r\n")
    assert client.reply().startswith("421 ")
    assert client.file.read() == b""
    client.close()
    assert box == []


def test_half_closed_client(box: Mailbox) -> None:
    """A client that sends everything and closes its side still gets its replies, and its mail is kept."""
    client = Client(box)
    client.send(b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n")
    client.socket.shutdown(socket.SHUT_WR)
    assert b"221 " in client.file.read()
    client.close()
    assert len(box) == 1


def test_a_client_that_leaves_in_data_stores_nothing(sandbox: MailSandbox, box: Mailbox, client: Client) -> None:
    """Half a message is none, and the server goes on."""
    start(client)
    client.send(b"half")
    client.close()
    with smtplib.SMTP(box.host, box.port) as other:
        other.sendmail("a@b.test", ["c@d.test"], "whole")
    assert [message.raw for message in box] == [b"whole\r\n"]


@pytest.mark.parametrize("text", ["x", "a\r\n250 OK", "\udcff"])
def test_a_store_that_fails_is_a_451(text: str, sandbox: MailSandbox, client: Client, box: Mailbox) -> None:
    """One fixed line whatever the exception says; the next mail needs no RSET."""

    def fail(messages: object) -> list[int]:
        raise RuntimeError(text)

    store = sandbox.inbox._store
    store.add, add = fail, store.add  # type: ignore[method-assign,assignment]
    start(client)
    client.send(b"x\r\n.\r\n")
    assert client.reply() == "451 4.3.0 Message could not be stored"
    store.add = add  # type: ignore[method-assign]
    start(client)
    client.send(b"y\r\n.\r\n")
    assert client.reply().startswith("250 ")
    assert [message.raw for message in box] == [b"y\r\n"]


def test_long_command_lines(client: Client) -> None:
    """Refused once at their end, however long, and the session stays in step."""
    client.send(b"NOOP " + b"x" * 1_000_000 + b"\r\n")
    assert client.reply().startswith("500 5.5.2")
    assert client.say("NOOP").startswith("250 ")


def test_a_taken_port() -> None:
    """One line that names the address and says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other, MailSandbox() as sandbox:
        port = other.getsockname()[1]
        with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{port} is taken"):
            sandbox.open("box", port=port)


def test_ports_are_not_used_twice(sandbox: MailSandbox) -> None:
    """A late sender can never reach another test's mailbox."""
    ports = []
    for number in range(30):
        opened = sandbox.open(f"box {number}")
        ports.append(opened.port)
        opened.close()
    assert len(set(ports)) == 30


def test_stopping_leaves_nothing(box: Mailbox) -> None:
    """A sandbox that ends with clients in every state leaves no thread behind, and ends twice."""
    before = threading.active_count()
    sandbox = MailSandbox()
    opened = sandbox.open("other")
    idle, sending = Client(opened), Client(opened)
    sending.say("EHLO x")
    sending.send(b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nhalf")
    sandbox.close()
    sandbox.close()
    assert threading.active_count() == before
    idle.close()
    sending.close()


@given(st.lists(st.sampled_from([b".", b"\r\n", b"\r", b"\n", b"a", b"\x00"]), max_size=40), st.integers(1, 7))
def test_data_reader_round_trip(pieces: list[bytes], size: int) -> None:
    """Any octets, stuffed by the client's rule and cut anywhere, come back; what follows the end is left."""
    raw = b"".join(pieces) + b"\r\n"
    wire = (b"\r\n" + raw).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\nNEXT"
    reader, rest = DataReader(1000), None
    for first in range(0, len(wire), size):
        block = wire[first : first + size]
        if rest is not None:
            rest += block
        else:
            rest = reader.feed(block)
    assert rest == b"NEXT"
    assert reader.message() == raw


@pytest.mark.parametrize(
    ("argument", "address"),
    [
        ("FROM:<a@b.test>", "a@b.test"),
        ("from: a@b.test", "a@b.test"),
        ("FROM:<>", ""),
        ('FROM:<"a b>\\"c"@d.test> SIZE=1', '"a b>\\"c"@d.test'),
        ("FROM:<ü@d.test>", "ü@d.test"),
        ("FROM:<=?utf-8?q?a?=@x.test>", "=?utf-8?q?a?=@x.test"),
        ("FROM:<@relay.test:a@b.test>", "a@b.test"),
        ("FROM:<a@[127.0.0.1]>", "a@[127.0.0.1]"),
    ],
)
def test_paths(argument: str, address: str) -> None:
    """Addresses are kept as sent."""
    assert parse_path(argument, "FROM:").address == address


@pytest.mark.parametrize(
    "argument", ["", "FROM", "FROM:<", "FROM:<a@b\r>", "FROM:<a@b\x00>", "FROM:<a@b>x", "TO:<a@b>"]
)
def test_bad_paths(argument: str) -> None:
    """What is no path is refused, control characters above all."""
    with pytest.raises(BadPath):
        parse_path(argument, "FROM:")
