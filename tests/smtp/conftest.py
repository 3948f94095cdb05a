"""A raw client, and a server to talk to."""

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailsandbox import Mailbox, MailSandbox
from mailsandbox.smtp import Limits


class Client:
    """A raw SMTP client: what it sends is exactly what it is told."""

    def __init__(self, box: Mailbox, port: int | None = None) -> None:
        self.socket = socket.create_connection((box.host, port or box.port), timeout=10)
        self.file = self.socket.makefile("rb")

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def reply(self) -> str:
        lines = []
        while line := self.file.readline().decode():
            assert line.endswith("\r\n")
            assert line[:3].isdigit() and line[3] in " -"
            lines.append(line.removesuffix("\r\n"))
            if line[3] == " ":
                break
        return "\n".join(lines)

    def say(self, line: str) -> str:
        self.send(line.encode() + b"\r\n")
        return self.reply()

    def start_tls(self, context: ssl.SSLContext, name: str = "localhost") -> None:
        """Go on inside TLS."""
        self.file.close()
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        self.file = self.socket.makefile("rb")

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def start(client: Client) -> None:
    assert client.say("MAIL FROM:<a@b.test>").startswith("250 2.1.0")
    assert client.say("RCPT TO:<c@d.test>").startswith("250 2.1.5")
    assert client.say("DATA").startswith("354 ")


@pytest.fixture
def sandbox() -> Iterator[MailSandbox]:
    with MailSandbox(limits=Limits(message=10_000, recipients=3, idle=300)) as made:
        yield made


@pytest.fixture
def box(sandbox: MailSandbox) -> Mailbox:
    return sandbox.open("box")


@pytest.fixture
def client(box: Mailbox) -> Iterator[Client]:
    made = Client(box)
    assert made.reply().startswith("220 ")
    made.say("EHLO client")
    yield made
    made.close()


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder in which Node.js finds a package of the npm registry; a skip where it cannot be had."""

    def folder(package: str) -> Path:
        found = os.environ.get("MAILSANDBOX_NODE_MODULES")
        if found and (Path(found) / "node_modules" / package).exists():
            return Path(found)
        reason = f"the npm package {package} is not in $MAILSANDBOX_NODE_MODULES"
        if os.environ.get("MAILSANDBOX_TEST_ALL"):
            pytest.fail(reason)
        pytest.skip(reason)

    return folder
