"""Any conversation at all: the server answers every command once, in order, and nothing leaks.

A Hypothesis state machine over raw sockets, with several clients at once. The longer run of 20,000 steps is

    MAILSANDBOX_STEPS=20000 python -m pytest tests/smtp/test_conversation.py
"""

import os
import socket
import threading
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from mailsandbox import MailSandbox
from mailsandbox.smtp import Limits
from tests.smtp.conftest import Client

STEPS = int(os.environ.get("MAILSANDBOX_STEPS", "1500"))
PER_RUN = 50

COMMANDS = {
    # what a client says, and the first digits a server may answer with
    "EHLO x": "25",
    "HELO x": "25",
    "EHLO": "5",
    "NOOP": "2",
    "RSET": "2",
    "HELP": "2",
    "VRFY x": "2",
    "EXPN x": "5",
    "MAIL FROM:<a@b.test>": "25",
    "MAIL FROM:<>": "25",
    "MAIL FROM:<a@b.test> SIZE=99999999999": "5",
    "MAIL FROM:<": "5",
    "RCPT TO:<c@d.test>": "245",
    "RCPT TO:<>": "5",
    "AUTH PLAIN AGFubgB4": "25",
    "AUTH PLAIN !": "5",
    "AUTH NOPE": "5",
    "BOGUS": "5",
    "\x00\x01\x02": "5",
    "MAIL FROM:<a\x00b@c>": "5",
    "NOOP " + "x" * 5000: "5",
}
BODIES = [b"", b"x", b"\r\n.x", b"\n.\n", b"\r\n.\r", b"\x00\xff", b"y" * 70_000]


class Conversations(RuleBasedStateMachine):
    """Clients that come, say anything, and go in any way."""

    clients: Bundle[Client] = Bundle("clients")

    def __init__(self) -> None:
        super().__init__()
        self.threads = threading.active_count()
        self.sandbox = MailSandbox(limits=Limits(message=50_000, recipients=3, errors=10_000))
        self.box = self.sandbox.open("box")
        self.kept = 0
        self.open: set[Client] = set()

    @rule(target=clients)
    def come(self) -> Any:
        if len(self.open) > 20:
            return multiple()
        client = Client(self.box)
        assert client.reply().startswith("220 ")
        self.open.add(client)
        return client

    @rule(client=clients, command=st.sampled_from(sorted(COMMANDS)))
    def say(self, client: Client, command: str) -> None:
        reply = client.say(command)
        assert reply[0] in COMMANDS[command], (command, reply)

    @rule(client=clients, commands=st.lists(st.sampled_from(sorted(COMMANDS)), min_size=2, max_size=8))
    def pipeline(self, client: Client, commands: list[str]) -> None:
        client.send("".join(f"{command}\r\n" for command in commands).encode())
        for command in commands:
            reply = client.reply()
            assert reply[0] in COMMANDS[command], (command, reply)

    @rule(client=clients, body=st.sampled_from(BODIES), cut=st.integers(1, 40))
    def mail(self, client: Client, body: bytes, cut: int) -> None:
        client.say("EHLO x")
        client.say("MAIL FROM:<a@b.test>")
        client.say("RCPT TO:<c@d.test>")
        assert client.say("DATA").startswith("354 ")
        octets = (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:] + b"\r\n.\r\nNOOP\r\n"
        client.send(octets[:-cut])
        client.send(octets[-cut:])
        accepted = len(body) < 50_000
        assert client.reply().startswith("250 " if accepted else "552 ")
        assert client.reply().startswith("250 2.0.0 Ok")
        self.kept += accepted

    @rule(client=consumes(clients), way=st.sampled_from(["quit", "close", "half", "data", "reset"]))
    def go(self, client: Client, way: str) -> None:
        self.open.discard(client)
        if way == "quit":
            assert client.say("QUIT").startswith("221 ")
        elif way == "half":
            client.send(b"NOOP\r\n")
            client.socket.shutdown(socket.SHUT_WR)
            assert client.reply().startswith("250 ")
            assert client.file.read() == b""
        elif way == "data":
            client.send(b"RSET\r\nEHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nhalf a mail")
        elif way == "reset":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        client.close()

    @invariant()
    def nothing_is_lost_or_leaked(self) -> None:
        assert len(self.box) == self.kept
        still = [connection for connection in self.box.smtp.connections if not connection.closed]
        assert len(still) <= len(self.open) + 1  # one that was reset may not have been noticed yet

    def teardown(self) -> None:
        for client in self.open:
            client.close()
        self.sandbox.close()
        assert threading.active_count() == self.threads


TestConversations = Conversations.TestCase
TestConversations.settings = settings(
    max_examples=max(1, STEPS // PER_RUN),
    stateful_step_count=PER_RUN,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
