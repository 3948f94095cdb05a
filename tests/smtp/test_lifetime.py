"""Starting, stopping, and clients that do neither."""

import gc
import smtplib
import socket
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from flask_mail import Mail

import mailsandbox
from mailsandbox import Mailbox, MailSandbox
from mailsandbox.errors import Closed
from mailsandbox.smtp import Limits
from mailsandbox.store import SQLStore
from tests.smtp.conftest import Client, start


def send(box: Mailbox, subject: str = "hi") -> None:
    with smtplib.SMTP(box.host, box.port, timeout=20) as client:
        client.sendmail("a@b.test", ["c@d.test"], f"Subject: {subject}\r\n\r\nhi")


def test_what_waits_for_its_commit_is_kept_when_the_sandbox_closes(tmp_path: Path) -> None:
    """Closing in the middle of a commit loses nothing and hangs nobody."""
    file = tmp_path / "mail.db"
    sandbox = MailSandbox(file)
    box = sandbox.open("box")
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    clients = []
    for _ in range(3):
        client = Client(box)
        client.reply()
        client.say("EHLO x")
        start(client)
        client.send(b"x\r\n.\r\n")
        clients.append(client)
    while sum("octets>" in connection.transcript for connection in box.smtp.connections) < 3:
        pass
    closing = threading.Thread(target=sandbox.close)
    closing.start()
    other.execute("ROLLBACK")
    other.close()
    closing.join(20)
    assert not closing.is_alive()
    store = SQLStore(str(file))
    assert store.count() == 3
    store.close()
    for client in clients:
        client.close()


def test_one_client_cannot_starve_another(box: Mailbox) -> None:
    """While one pipelines without end, another one is answered."""
    flood = 300_000
    greedy = Client(box)
    greedy.reply()
    answered = 0

    def read() -> None:
        nonlocal answered
        for _ in range(flood):
            greedy.file.readline()
            answered += 1

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(greedy.send, b"NOOP\r\n" * flood), pool.submit(read)]
        modest = Client(box)
        assert modest.reply().startswith("220 ")
        assert modest.say("NOOP").startswith("250 ")
        meanwhile = answered
        for future in done:
            future.result()
    assert meanwhile < flood
    assert answered == flood
    greedy.close()
    modest.close()


def test_a_client_that_never_reads_is_dropped() -> None:
    """Its replies are not kept for ever, and its place is free again."""
    with MailSandbox(limits=Limits(idle=0.2, connections=1)) as sandbox:
        box = sandbox.open("box")
        deaf = socket.create_connection((box.host, box.port))
        deaf.settimeout(0.5)
        with pytest.raises(OSError):  # first the buffers are full, in the end the connection is reset
            while True:
                deaf.sendall(b"NOOP\r\n" * 10_000)
        for _ in range(10_000):
            other = Client(box)
            banner = other.reply()
            other.close()
            if banner.startswith("220 "):
                break
        deaf.close()
        assert banner.startswith("220 ")


def test_another_program_that_writes_is_a_451_for_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked file is not tried again for each message of a group; readers do not wait for it."""
    monkeypatch.setattr("mailsandbox.store.sql._PATIENCE", 0.2)
    with MailSandbox(tmp_path / "mail.db") as sandbox:
        box = sandbox.open("box")
        send(box, "before")
        other = sqlite3.connect(tmp_path / "mail.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(4) as pool:
            refused = [pool.submit(send, box) for _ in range(4)]
            assert [summary.subject for summary in sandbox.inbox.page()] == ["before"]
            for future in refused:
                with pytest.raises(smtplib.SMTPDataError, match="451"):
                    future.result()
        other.execute("ROLLBACK")
        other.close()
        send(box, "after")
        assert [message.subject for message in box] == ["before", "after"]


def test_mail_stays_readable_after_the_block() -> None:
    """A mailbox in memory is there as long as somebody holds it."""
    with mailsandbox.capture() as box:
        send(box)
    assert len(box) == 1
    assert box.one().subject == "hi"


def test_a_closed_file_says_so(tmp_path: Path) -> None:
    """A mailbox of a file cannot be read any more, and does not pretend to be empty."""
    with MailSandbox(tmp_path / "mail.db") as sandbox:
        box = sandbox.open("box")
        send(box)
        assert len(box) == 1
    with pytest.raises(Closed, match="read mail before the sandbox closes"):
        len(box)
    assert repr(box) == "<Mailbox 'box' closed>"


def test_a_sender_that_is_about_to_quit_is_not_reset() -> None:
    """Whoever waits for a mail and then closes does not hurt the one that sent it."""
    app = Flask("app")
    app.config.update(MAIL_SERVER="127.0.0.1", MAIL_DEFAULT_SENDER="a@b.test")
    mail = Mail(app)

    def background() -> None:
        with app.app_context():
            mail.send_message("hi", recipients=["c@d.test"], body="hi")

    for _ in range(20):
        with ThreadPoolExecutor(1) as pool:
            with mailsandbox.capture(app) as box:
                sent = pool.submit(background)
                box.wait()
            sent.result()


def test_a_command_line_of_just_the_limit(box: Mailbox) -> None:
    """The limit counts the line without its end, wherever the network cuts it."""
    client = Client(box)
    client.reply()
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line = b"NOOP " + b"x" * (4096 - 5)
    for parts in ([line + b"\r\n"], [line + b"\r", b"\n"], [line, b"\r\n"]):
        for part in parts:
            client.send(part)
        assert client.reply().startswith("250 ")
    client.close()


def test_starting_and_stopping_a_hundred_times() -> None:
    """Threads and descriptors are as before."""

    def once() -> None:
        with MailSandbox() as sandbox:
            box = sandbox.open("box", tls="both")
            send(box)
            assert len(box) == 1

    once()
    gc.collect()  # what earlier tests left behind is not counted
    before = threading.active_count(), descriptors()
    for _ in range(100):
        once()
    gc.collect()
    assert (threading.active_count(), descriptors()) == before


def descriptors() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_nobody_asks_the_resolver_for_our_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow name server does not delay a banner."""

    def fail(*_: object) -> str:
        raise AssertionError("the resolver was asked")

    monkeypatch.setattr(socket, "getfqdn", fail)
    monkeypatch.setattr(socket, "gethostbyaddr", fail)
    with MailSandbox() as sandbox:
        client = Client(sandbox.open("box"))
        assert client.reply().startswith("220 ")
        client.close()


def test_what_we_use_of_aiosmtpd_is_there() -> None:
    """Its private names can go with any release; this is where we learn of it."""
    from aiosmtpd import smtp

    from mailsandbox.smtp.exchange import AIOSMTPD_PRIVATE

    for name in (*AIOSMTPD_PRIVATE, "auth_PLAIN", "auth_LOGIN", "challenge_auth", "push"):
        assert callable(getattr(smtp.SMTP, name))


def test_ipv6() -> None:
    """The other loopback."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with MailSandbox(host="::1") as sandbox:
        box = sandbox.open("box")
        send(box)
        assert box.one().session.peer.startswith("::1:")
