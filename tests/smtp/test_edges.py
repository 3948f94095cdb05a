"""Where faults, holds, TLS and logins meet each other."""

import base64
import smtplib
import socket
import ssl
import threading
from typing import Any

import pytest

from mailsandbox import MailSandbox
from mailsandbox.smtp import Limits
from tests.smtp.conftest import Client, start
from tests.smtp.test_faults import send


def test_throttled_plaintext_does_not_enter_tls(sandbox: MailSandbox) -> None:
    """What a throttle held back in the clear is nothing to the secure session."""
    box = sandbox.open("box")
    box.smtp.throttle(200, "STARTTLS")
    box.smtp.delay("EHLO", 0, optional=True)
    client = Client(box)
    client.reply()
    client.say("EHLO x")
    client.send(b"STARTTLS\r\n")
    assert client.reply().startswith("220 ")
    client.start_tls(ssl.create_default_context(cafile=box.ca_bundle))
    assert client.say("MAIL FROM:<a@b.test>").startswith("503 ")
    client.close()


def test_a_client_that_resets_behind_starttls(sandbox: MailSandbox, caplog: pytest.LogCaptureFixture) -> None:
    """It is gone, and nobody complains."""
    box = sandbox.open("box")
    client = Client(box)
    client.reply()
    client.say("EHLO x")
    client.send(b"STARTTLS\r\n")
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    client.close()
    while not box.smtp.connections[0].closed:
        pass
    assert caplog.records == []


def test_closing_in_the_middle_of_a_handshake(caplog: pytest.LogCaptureFixture) -> None:
    """Neither a session nor a word stays behind."""
    sandbox = MailSandbox()
    box = sandbox.open("box", tls="both")
    client = Client(box)
    client.reply()
    client.say("EHLO x")
    assert client.say("STARTTLS").startswith("220 ")
    silent = Client(box, box.tls_port)
    sandbox.close()
    assert all(connection.closed for connection in box.smtp.connections)
    assert caplog.records == []
    client.close()
    silent.close()


def test_a_hold_looks_at_anything_in_a_frame(sandbox: MailSandbox) -> None:
    """Locals that raise when they are touched are not touched."""

    class Touchy:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("working outside of request context")

    touchy = Touchy()
    box = sandbox.open("box")
    with pytest.raises(AssertionError, match="sent synchronously"):
        with box.smtp.hold():
            send(box)
    assert len(box) == 1
    assert type(touchy) is Touchy


def test_a_hold_can_be_used_again_and_forgets_who_left(sandbox: MailSandbox) -> None:
    """Each block begins anew; a client that left meanwhile is no reason to fail."""
    box = sandbox.open("box")
    hold = box.smtp.hold(timeout=0.3)
    for number in (1, 2):
        with hold:
            sender = threading.Thread(target=send, args=(box,))
            sender.start()
            while not hold.held:
                pass
        sender.join(10)
        assert len(box) == number
    with hold:
        client = Client(box)
        client.reply()
        client.say("EHLO x")
        start(client)
        client.send(b"x\r\n.\r\n")
        while not hold.held:
            pass
        client.close()
        while not box.smtp.connections[-1].closed:
            pass


def test_profiles_do_not_add_up(sandbox: MailSandbox) -> None:
    """The last one is the whole of it."""
    box = sandbox.open("box")
    box.smtp.use("gmail")
    box.smtp.use("debugging")
    with smtplib.SMTP(box.host, box.port, timeout=10) as client:
        client.ehlo()
        assert client.esmtp_features["size"] == "33554432"
        client.sendmail("a@b.test", ["c@d.test"], "x")
    assert len(box) == 1


def test_what_was_asked_for_in_so_many_words_stays(sandbox: MailSandbox) -> None:
    """A profile changes neither a TLS mode nor users that were given."""
    plain = sandbox.open("plain", tls="off", profile="gmail")
    closed = sandbox.open("closed", auth={"ann": "x"}, profile="debugging")
    with smtplib.SMTP(plain.host, plain.port, timeout=10) as client:
        client.ehlo()
        assert not client.has_extn("starttls")
    with smtplib.SMTP(closed.host, closed.port, timeout=10) as client:
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.sendmail("a@b.test", ["c@d.test"], "x")


def test_an_empty_user_name_is_one(sandbox: MailSandbox) -> None:
    """Who has logged in has logged in."""
    box = sandbox.open("box", auth=True)
    client = Client(box)
    client.reply()
    client.say("EHLO x")
    assert client.say(f"AUTH PLAIN {base64.b64encode(bytes(2)).decode()}").startswith("235 ")
    assert client.say("AUTH PLAIN AAA=").startswith("503 ")
    start(client)
    client.close()


def test_refusals_are_counted(sandbox: MailSandbox) -> None:
    """The door opens when the last one is lifted; lifting after the end is harmless."""
    box = sandbox.open("box", tls="both")
    first, second = box.smtp.refuse(), box.smtp.refuse()
    first.lift()
    with pytest.raises(ConnectionRefusedError):
        send(box)
    second.lift()
    second.lift()
    send(box)
    third = box.smtp.refuse()
    sandbox.close()
    third.lift()


def test_a_hang_ends_when_a_flooding_client_leaves(sandbox: MailSandbox) -> None:
    """However much it sent."""
    box = sandbox.open("box")
    box.smtp.hang("MAIL")
    client = Client(box)
    client.reply()
    client.say("EHLO x")
    client.send(b"MAIL FROM:<a@b.test>\r\n" + b"x" * 2_000_000)
    client.close()
    while not box.smtp.connections[0].closed:
        pass


def test_a_throttle_is_not_idleness() -> None:
    """The server's own slowness is not held against the client."""
    with MailSandbox(limits=Limits(idle=0.2)) as sandbox:
        box = sandbox.open("box")
        box.smtp.throttle(100)
        client = Client(box)
        client.reply()
        assert client.say("EHLO " + "x" * 50).startswith("250")
        client.close()


def test_faults_wait_for_a_command_that_is_in_order(sandbox: MailSandbox) -> None:
    """One that is refused anyway uses nothing up."""
    box = sandbox.open("box")
    cut, broken = box.smtp.drop("DATA", after_bytes=3, times=1), box.smtp.fail_tls(times=1)
    client = Client(box)
    client.reply()
    client.say("EHLO x")
    assert client.say("DATA").startswith("503 ")
    assert client.say("STARTTLS now").startswith("501 ")
    assert (cut.fired, broken.fired) == (0, 0)
    client.close()


def test_after_bytes_counts_the_message_alone(sandbox: MailSandbox) -> None:
    """Not what is pipelined behind it."""
    box = sandbox.open("box")
    box.smtp.drop("DATA", after_bytes=12)
    client = Client(box)
    client.reply()
    client.say("EHLO x")
    start(client)
    client.send(b"x\r\n.\r\nNOOP\r\nNOOP\r\n")
    assert client.reply().startswith("250 ")
    client.close()
    assert len(box) == 1


def test_evidence_shows_no_control_characters_and_no_pipelined_secrets(sandbox: MailSandbox) -> None:
    """Whatever a client calls itself, and whatever it sends behind a login that was refused."""
    box = sandbox.open("box", auth=False)
    client = Client(box)
    client.reply()
    client.say("EHLO \x1b[31mred")
    client.send(b"AUTH LOGIN\r\nYW5u\r\nc2VjcmV0cHc=\r\n")
    assert [client.reply()[:1] for _ in range(3)] == ["5", "5", "5"]
    (connection,) = box.smtp.connections
    assert "\x1b" not in repr(connection) + connection.transcript + connection.session.ehlo
    assert "c2VjcmV0cHc=" not in connection.transcript
    client.close()


def test_a_messages_transcript_is_its_own(sandbox: MailSandbox) -> None:
    """A thousand refusals before it do not push it out."""
    box = sandbox.open("box")
    client = Client(box)
    client.reply()
    client.say("EHLO x")
    for _ in range(1_300):
        assert client.say("MAIL FROM:<").startswith("501 ")
    start(client)
    client.send(b"x\r\n.\r\n")
    client.reply()
    transcript = box.one().session.transcript
    assert "C: RCPT TO:<c@d.test>" in transcript
    assert len(transcript.splitlines()) < 400
    client.close()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("<Postmaster>", "250"),
        ("<u@[IPv6:::1]>", "250"),
        ('<"a>b"@x.test>', "250"),
        (f"<{'a' * 65}@x.test>", "553"),
        (f"<a@{'d' * 260}.test>", "553"),
    ],
)
def test_strict_paths(sandbox: MailSandbox, path: str, said: str) -> None:
    """By the letter of RFC 5321 4.1.2 and 4.5.3.1."""
    client = Client(sandbox.open("box", profile="strict"))
    client.reply()
    client.say("EHLO x")
    client.say("MAIL FROM:<a@b.test>")
    assert client.say(f"RCPT TO:{path}").startswith(said)
    assert client.say("NOOP " + "x" * 600).startswith("500 ")
    client.close()
