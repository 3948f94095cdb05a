"""Scripted failures, over real sockets: the same script gives the same conversation."""

import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsandbox import Mailbox, MailSandbox
from mailsandbox.errors import BadFault
from mailsandbox.faults import Drop, Fault, FaultScript, Reply, Stage
from tests.smtp.conftest import Client


def send(box: Mailbox, to: str | list[str] = "c@d.test", sender: str = "a@b.test", **options: Any) -> dict[str, Any]:
    with smtplib.SMTP(box.host, box.port, timeout=10, **options) as client:
        return client.sendmail(sender, to, "Subject: hi\r\n\r\n" + "x" * 1000)


def test_greylisting_twice_then_accepted(box: Mailbox) -> None:
    """A reply so many times, then as usual; the rule knows how it fared."""
    rule = box.smtp.reply("RCPT", 450, "4.2.0 Greylisted, try again", to="c@d.test", times=2)
    for _ in range(2):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            send(box)
        assert refused.value.recipients == {"c@d.test": (450, b"4.2.0 Greylisted, try again")}
    send(box)
    assert len(box) == 1
    assert (rule.fired, rule.seen) == (2, 3)


def test_one_recipient_of_several(box: Mailbox) -> None:
    """The others get the mail, and the envelope knows who was refused, and with what."""
    box.smtp.reply("RCPT", 550, "5.1.1 No such user", to="no@d.test")
    assert send(box, ["yes@d.test", "no@D.TEST"]) == {"no@D.TEST": (550, b"5.1.1 No such user")}
    envelope = box.one().envelope
    assert envelope.recipients == ("yes@d.test",)
    assert [(r.address, r.code, r.text) for r in envelope.refused] == [("no@D.TEST", 550, "5.1.1 No such user")]


@pytest.mark.parametrize(
    ("stage", "error"),
    [
        ("CONNECT", smtplib.SMTPConnectError),
        ("EHLO", smtplib.SMTPHeloError),
        ("MAIL", smtplib.SMTPSenderRefused),
        ("RCPT", smtplib.SMTPRecipientsRefused),
        ("DATA", smtplib.SMTPDataError),
        ("MESSAGE", smtplib.SMTPDataError),
    ],
)
def test_a_reply_at_every_stage(box: Mailbox, stage: str, error: type[Exception]) -> None:
    """The client sees the code and the text, several lines of it; nothing is kept."""
    box.smtp.reply(stage, 554, "5.0.0 No\nnot today")
    with pytest.raises(error) as raised:
        send(box)
    assert "554" in str(raised.value) and "not today" in str(raised.value)
    assert len(box) == 0


def test_replies_to_auth_and_quit(box: Mailbox) -> None:
    """The stages around the mail itself."""
    box.smtp.reply("AUTH", 454, "4.7.0 Temporary authentication failure", times=1)
    box.smtp.reply("QUIT", 221, "So long, and thanks")
    client = smtplib.SMTP(box.host, box.port, timeout=10)
    client.ehlo()
    with pytest.raises(smtplib.SMTPAuthenticationError, match="454"):
        client.auth("PLAIN", lambda challenge=None: "\0ann\0x", initial_response_ok=True)
    assert client.quit() == (221, b"So long, and thanks")


def test_a_positive_reply_takes_effect_in_other_words(box: Mailbox) -> None:
    """251 at RCPT accepts, and 250 at MESSAGE keeps."""
    box.smtp.reply("RCPT", 251, "User not local; will forward")
    box.smtp.reply("MESSAGE", 250, "Thanks, says the test")
    with smtplib.SMTP(box.host, box.port, timeout=10) as client:
        client.ehlo()
        client.mail("a@b.test")
        assert client.rcpt("c@d.test") == (251, b"User not local; will forward")
        assert client.data("x") == (250, b"Thanks, says the test")
    assert len(box) == 1


def test_421_closes(box: Mailbox) -> None:
    """As RFC 5321 has it."""
    box.smtp.reply("MAIL", 421, "4.3.2 Shutting down")
    client = Client(box)
    client.reply()
    client.say("EHLO x")
    assert client.say("MAIL FROM:<a@b.test>").startswith("421 ")
    assert client.file.read() == b""
    client.close()


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "MESSAGE"])
def test_a_drop_is_a_reset(box: Mailbox, stage: str) -> None:
    """The client is cut off without a reply, and nothing is kept; the next one is served."""
    box.smtp.drop(stage, times=1)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
        send(box)
    assert len(box) == 0
    assert box.smtp.connections[0].outcome == "dropped by script"
    send(box)
    assert len(box) == 1


def test_a_drop_within_the_message(box: Mailbox) -> None:
    """After so many octets of DATA."""
    box.smtp.drop("DATA", after_bytes=100)
    client = Client(box)
    client.reply()
    for line in ("EHLO x", "MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>"):
        client.say(line)
    assert client.say("DATA").startswith("354 ")
    client.send(b"x" * 50)
    client.send(b"x" * 60)
    with pytest.raises(ConnectionResetError):
        client.socket.recv(1)
    client.close()
    assert len(box) == 0


def test_store_then_drop(box: Mailbox) -> None:
    """The mail is there, the client never heard so, and sends it again."""
    box.smtp.store_then_drop(times=1)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(box)
    assert len(box) == 1
    send(box)
    assert len(box) == 2


def test_hang_ends_with_the_client(box: Mailbox) -> None:
    """The server never answers; a client's own timeout is what ends it."""
    box.smtp.hang("MESSAGE", times=1)
    with smtplib.SMTP(box.host, box.port, timeout=0.3) as client:
        with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
            client.sendmail("a@b.test", ["c@d.test"], "x")
    assert len(box) == 0
    send(box)
    assert len(box) == 1


def test_delay_and_throttle_answer_in_the_end(box: Mailbox) -> None:
    """Late, and whole."""
    box.smtp.delay("MAIL", 0.05)
    box.smtp.throttle(20_000)
    send(box)
    assert box.one().size > 1000


def test_refused_connections(box: Mailbox) -> None:
    """As a server that is not there, until the rule is lifted; counted, they are reset."""
    rule = box.smtp.refuse()
    with pytest.raises(ConnectionRefusedError):
        send(box)
    rule.lift()
    send(box)
    box.smtp.refuse(times=1)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
        send(box)
    send(box)
    assert len(box) == 2


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_a_handshake_that_fails(sandbox: MailSandbox, mode: str) -> None:
    """The client gets a TLS alert, once."""
    box = sandbox.open("tls", tls=mode)
    box.smtp.fail_tls(times=1)
    context = ssl.create_default_context(cafile=box.ca_bundle)

    def connect() -> None:
        if mode == "implicit":
            smtplib.SMTP_SSL("localhost", box.port, context=context, timeout=10).quit()
        else:
            with smtplib.SMTP("localhost", box.port, timeout=10) as client:
                client.starttls(context=context)

    with pytest.raises(ssl.SSLError, match=r"(?i)handshake.failure"):
        connect()
    connect()
    assert [connection.outcome for connection in box.smtp.connections] == ["TLS handshake failed", "quit"]


def test_every_and_after_count_what_matches(box: Mailbox) -> None:
    """From the third on, every second one."""
    box.smtp.reply("MESSAGE", 451, "4.3.0 no", sender=re.compile("^app@"), after=2, every=2)
    codes = []
    for number in range(7):
        sender = "other@b.test" if number == 3 else "app@b.test"
        try:
            send(box, sender=sender)
            codes.append(250)
        except smtplib.SMTPDataError as error:
            codes.append(error.smtp_code)
    assert codes == [250, 250, 451, 250, 250, 451, 250]


def test_rules_that_never_acted_are_known(box: Mailbox) -> None:
    """Strict tests ask for them; optional ones do not count."""
    used = box.smtp.reply("MESSAGE", 451, "4.3.0 no", times=1)
    unused = box.smtp.reply("MESSAGE", 451, "4.3.0 no", to="nobody@d.test")
    box.smtp.hang("QUIT", optional=True, after=5)
    with pytest.raises(smtplib.SMTPDataError):
        send(box)
    assert used.fired == 1
    assert box.smtp.script.unused == (unused,)


def wrong(call: Callable[[Mailbox], Any], said: str) -> Any:
    return pytest.param(call, said, id=said)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        wrong(lambda box: box.smtp.reply("RCTP", 450, "x"), "did you mean 'RCPT'"),
        wrong(lambda box: box.smtp.reply("RCPT", 45, "x"), "three digits"),
        wrong(lambda box: box.smtp.reply("RCPT", 450, "a\r\n250 ok"), "must be printable"),
        wrong(lambda box: box.smtp.reply("EHLO", 450, "x", to="a@b.test"), "no recipient is known"),
        wrong(lambda box: box.smtp.reply("CONNECT", 450, "x", sender="a@b.test"), "no sender is known"),
        wrong(lambda box: box.smtp.drop("RCPT", after_bytes=3), "counts octets of a message"),
        wrong(lambda box: box.smtp.drop("RCPT", times=0), "would never act"),
        wrong(lambda box: box.smtp.drop("RCPT", every=0), "every >= 1"),
        wrong(lambda box: box.smtp.drop("RCPT", chance=0.5), "chance and seed go together"),
        wrong(lambda box: box.smtp.delay("RCPT", -1), "a delay of -1"),
        wrong(lambda box: box.smtp.throttle(0), "would never end"),
        wrong(lambda box: box.smtp.reply("AUTH", 235, "x"), "cannot be answered positively"),
        wrong(lambda box: box.smtp.hold("EHLO"), "cannot be held"),
    ],
)
def test_faults_that_make_no_sense(box: Mailbox, call: Callable[[Mailbox], Any], said: str) -> None:
    """Said where they are written, not found out in a conversation."""
    with pytest.raises(BadFault, match=re.escape(said)):
        call(box)


@given(seed=st.integers(0, 2**32), chance=st.floats(0.01, 1))
def test_chance_is_the_same_every_time(seed: int, chance: float) -> None:
    """A seed is the whole conversation."""

    def run() -> list[bool]:
        script = FaultScript([Fault(Stage.MESSAGE, Drop(), chance=chance, seed=seed)])
        return [script.decide(Stage.MESSAGE) is not None for _ in range(50)]

    assert run() == run()


@given(
    times=st.none() | st.integers(1, 5),
    after=st.integers(0, 5),
    every=st.integers(1, 4),
    occasions=st.integers(0, 40),
)
def test_a_rule_acts_exactly_when_it_says(times: int | None, after: int, every: int, occasions: int) -> None:
    """Counted by hand."""
    script = FaultScript([Fault(Stage.QUIT, Reply(421, "x"), times=times, after=after, every=every)])
    acted = [script.decide(Stage.QUIT) is not None for _ in range(occasions)]
    due = [number >= after and (number - after) % every == 0 for number in range(occasions)]
    allowed = occasions if times is None else times
    expected = [is_due and sum(due[:number]) < allowed for number, is_due in enumerate(due)]
    assert acted == expected
    assert script.rules[0].fired == sum(expected)


def test_a_request_that_does_not_wait(box: Mailbox) -> None:
    """A mail from a thread is held until the block ends, and arrives then."""
    with box.smtp.hold() as hold:
        sender = threading.Thread(target=send, args=(box,))
        sender.start()
        while not hold.held:
            pass
        assert len(box) == 0
    sender.join(10)
    assert len(box) == 1


@pytest.mark.parametrize("stage", ["CONNECT", "RCPT", "MESSAGE"])
def test_a_synchronous_sender_is_found_by_its_stack(box: Mailbox, stage: str) -> None:
    """It gets its 250, and the block fails at its end, naming the line that sent."""
    with pytest.raises(AssertionError, match=r"sent synchronously, at .*test_faults\.py:\d+ in send"):
        with box.smtp.hold(stage):
            send(box)
            sent = True
    assert sent
    assert len(box) == 1


def test_whoever_waits_for_another_thread_is_let_go(box: Mailbox) -> None:
    """After the hold's time, with the line it waited at."""
    with pytest.raises(AssertionError, match=r"after 0\.2 s; it was at .*test_faults\.py:\d+ in test_whoever"):
        with box.smtp.hold(timeout=0.2):
            sender = threading.Thread(target=send, args=(box,))
            sender.start()
            sender.join()
    assert len(box) == 1


def test_a_hold_is_over_whatever_happens(box: Mailbox) -> None:
    """The block's own failure is the one that is seen, and its mail goes on."""
    with pytest.raises(ZeroDivisionError), box.smtp.hold() as hold:
        sender = threading.Thread(target=send, args=(box,))
        sender.start()
        while not hold.held:
            pass
        raise ZeroDivisionError
    sender.join(10)
    assert len(box) == 1


def test_a_held_server_can_be_closed() -> None:
    """A sandbox that ends inside a hold hangs nobody."""
    sandbox = MailSandbox()
    box = sandbox.open("box")
    with box.smtp.hold() as hold:
        outcome: list[BaseException] = []

        def sending() -> None:
            try:
                send(box)
            except (smtplib.SMTPException, OSError) as error:
                outcome.append(error)

        sender = threading.Thread(target=sending)
        sender.start()
        while not hold.held:
            pass
        sandbox.close()
    sender.join(10)
    assert len(outcome) == 1


def test_evidence(box: Mailbox) -> None:
    """One record a connection: who, what it carried, how it ended, and what was said."""
    with smtplib.SMTP(box.host, box.port, local_hostname="client.test", timeout=10) as client:
        for number in range(3):
            client.sendmail("a@b.test", ["c@d.test"], f"Subject: {number}\r\n\r\nx")
    socket.create_connection((box.host, box.port)).close()
    bulk, scan = box.smtp.connections
    assert bulk.messages == tuple(message.id for message in box)
    assert (bulk.outcome, scan.outcome) == ("quit", "closed by client")
    assert bulk.session.ehlo == "client.test"
    assert bulk.octets_in > 100 and bulk.octets_out > 100
    assert all(connection.closed for connection in box.smtp.connections)
    assert bulk.transcript.lower().count("c: mail from:<a@b.test>") == 3
    assert re.search(r"^ +\d\.\d{3} S: 221 2\.0\.0 Bye$", bulk.transcript, re.MULTILINE)
    own = box[1].session.transcript
    assert own.lower().count("c: mail") == 1
    assert "C: ehlo client.test" in own and "<17 octets>" in own


def test_evidence_of_an_open_connection(box: Mailbox, client: Client) -> None:
    """A client that forgot to quit is seen."""
    client.say("NOOP")
    (connection,) = box.smtp.connections
    assert (connection.outcome, connection.closed) == ("open", False)
    assert "open" in repr(connection)
