"""One SMTP session: the commands of RFC 5321 and their replies.

Owns the conversation; hands a finished message to `deliver` and answers 250 only when that is done. Every reply is a
fixed text with its enhanced status code (RFC 3463). Replaces aiosmtpd's own commands: they decode encoded words in
addresses, let control characters through, and put the text of exceptions into replies.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime

from mailsandbox.errors import StoreFull
from mailsandbox.message import Envelope, Message, Refusal, Session
from mailsandbox.smtp.connection import Goodbye, SMTPConnection
from mailsandbox.smtp.data import DataReader
from mailsandbox.smtp.limits import Limits
from mailsandbox.smtp.path import BadPath, Path, parse_path

log = logging.getLogger("mailsandbox.smtp")

_MAIL_PARAMETERS = frozenset(["SIZE", "BODY", "SMTPUTF8", "AUTH", "RET", "ENVID"])
_RCPT_PARAMETERS = frozenset(["NOTIFY", "ORCPT"])
# A browser led to this port must not be able to speak SMTP in the lines of its request.
_NOT_SMTP = frozenset([b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH", b"CONNECT", b"TRACE"])


@dataclass(frozen=True)
class Service:
    """What all sessions of one listener share."""

    mailbox: str
    deliver: Callable[[Message], Future[int]]
    limits: Limits
    sessions: "set[SMTPSession]"
    name: str = "mailsandbox"
    smtputf8: bool = True


class SMTPSession(SMTPConnection):
    """The server's side of one conversation."""

    def __init__(self, service: Service, id: str, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(service.limits, loop)
        self.service = service
        self.id = id
        self._errors = service.limits.errors
        self._evidence = Session(id=id)
        self._forget()

    def _forget(self) -> None:
        """Back to the state before MAIL."""
        self._mail: Path | None = None
        self._recipients: list[Path] = []
        self._refused: list[Refusal] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.service.sessions.add(self)
        peer = transport.get_extra_info("peername") or ("", 0)
        self._evidence = Session(id=self.id, peer=f"{peer[0]}:{peer[1]}")
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.service.sessions.discard(self)
        super().connection_lost(error)

    async def greet(self) -> None:
        if len(self.service.sessions) > self.limits.connections:
            self.reply("421 4.7.0 Too many connections, try again later")
            raise Goodbye
        self.reply(f"220 {self.service.name} ESMTP")

    async def obey(self, line: bytes) -> None:
        verb, _, rest = line.partition(b" ")
        command = _COMMANDS.get(verb.upper())
        if command is None:
            self._errors -= 1
            if self._errors < 1 or verb.upper() in _NOT_SMTP:
                self.reply("421 4.7.0 This is SMTP, closing")
                raise Goodbye
            self.reply("500 5.5.2 Command not recognized")
            return
        try:
            argument = rest.strip(b" ").decode("utf-8")
        except UnicodeDecodeError:
            self.reply("501 5.5.2 Command is not UTF-8")
            return
        await command(self, argument)

    # Commands ----------------------------------------------------------------------------------------------------

    async def smtp_EHLO(self, argument: str) -> None:
        if not argument:
            self.reply("501 5.5.4 Syntax: EHLO hostname")
            return
        self._greeted(argument, esmtp=True)
        keywords = [
            "PIPELINING",
            f"SIZE {self.limits.message}",
            "8BITMIME",
            "ENHANCEDSTATUSCODES",
            "DSN",
        ]
        if self.service.smtputf8:
            keywords.append("SMTPUTF8")
        lines = [self.service.name, *keywords, "HELP"]
        self.reply("\n".join(f"250{' ' if i == len(lines) - 1 else '-'}{t}" for i, t in enumerate(lines)))

    async def smtp_HELO(self, argument: str) -> None:
        if not argument:
            self.reply("501 5.5.4 Syntax: HELO hostname")
            return
        self._greeted(argument, esmtp=False)
        self.reply(f"250 {self.service.name}")

    def _greeted(self, name: str, *, esmtp: bool) -> None:
        self._evidence = Session(id=self.id, peer=self._evidence.peer, ehlo=name, esmtp=esmtp)
        self._forget()

    async def smtp_MAIL(self, argument: str) -> None:
        if not self._evidence.ehlo:
            self.reply("503 5.5.1 Send EHLO or HELO first")
        elif self._mail is not None:
            self.reply("503 5.5.1 MAIL was given already")
        elif isinstance(path := self._path(argument, "FROM:", _MAIL_PARAMETERS), str):
            self.reply(path)
        elif refusal := self._mail_refusal(path):
            self.reply(refusal)
        else:
            self._mail = path
            self.reply("250 2.1.0 Ok")

    def _path(self, argument: str, keyword: str, known: frozenset[str]) -> Path | str:
        """The path that `argument` holds, or the reply that refuses it."""
        try:
            path = parse_path(argument, keyword)
        except BadPath:
            command, code = ("MAIL", "5.1.7") if keyword == "FROM:" else ("RCPT", "5.1.3")
            return f"501 {code} Syntax: {command} {keyword}<address> [parameters]"
        if path.parameters and not self._evidence.esmtp:
            return "555 5.5.4 Parameters need EHLO"
        if path.unknown(known) is not None:
            return "555 5.5.4 Parameter not recognized"
        return path

    def _mail_refusal(self, path: Path) -> str | None:
        size, body = path.parameter("SIZE"), path.parameter("BODY")
        if size is not None and not (size.isascii() and size.isdigit() and len(size) <= 20):
            return "501 5.5.4 SIZE takes a number"
        if size is not None and int(size) > self.limits.message:
            return f"552 5.3.4 Message is larger than {self.limits.message} octets"
        if body is not None and body.upper() not in ("7BIT", "8BITMIME"):
            return "501 5.5.4 BODY is 7BIT or 8BITMIME"
        if path.parameter("SMTPUTF8") is not None and not self.service.smtputf8:
            return "555 5.5.4 Parameter not recognized"
        return None

    async def smtp_RCPT(self, argument: str) -> None:
        if self._mail is None:
            self.reply("503 5.5.1 Send MAIL first")
            return
        path = self._path(argument, "TO:", _RCPT_PARAMETERS)
        if isinstance(path, Path) and not path.address:
            path = "501 5.1.3 A recipient needs an address"
        if isinstance(path, Path) and len(self._recipients) >= self.limits.recipients:
            reply = "452 4.5.3 Too many recipients"
            self._refused.append(Refusal(path.address, 452, reply[4:]))
            path = reply
        if isinstance(path, str):
            self.reply(path)
            return
        self._recipients.append(path)
        self.reply("250 2.1.5 Ok")

    async def smtp_DATA(self, argument: str) -> None:
        if argument:
            self.reply("501 5.5.4 Syntax: DATA")
        elif self._mail is None:
            self.reply("503 5.5.1 Send MAIL first")
        elif not self._recipients:
            self.reply("554 5.5.1 No valid recipients")
        else:
            self.expect_data(self.limits.message)
            self.reply("354 End data with <CR><LF>.<CR><LF>")

    async def receive(self, data: DataReader) -> None:
        if data.too_large:
            reply = f"552 5.3.4 Message is larger than {self.limits.message} octets"
        else:
            reply = await self._stored(data.message())
        self._forget()
        self.reply(reply)

    async def _stored(self, raw: bytes) -> str:
        """Deliver, and the reply that says how it went. A client that leaves meanwhile stops nothing."""
        assert self._mail is not None
        envelope = Envelope(
            reverse_path=self._mail.address,
            recipients=tuple(path.address for path in self._recipients),
            refused=tuple(self._refused),
            parameters=self._mail.parameters,
            recipient_parameters=tuple(path.parameters for path in self._recipients),
        )
        message = Message(
            raw=raw,
            envelope=envelope,
            session=self._evidence,
            mailbox=self.service.mailbox,
            received_at=datetime.now(UTC),
        )
        try:
            future = self.service.deliver(message)
            if not future.done():
                await asyncio.wrap_future(future, loop=self.loop)
            return f"250 2.0.0 Ok: queued as {future.result()}"
        except StoreFull as error:
            log.error("message refused: %s", error)
            return "452 4.3.1 Insufficient system storage"
        except Exception as error:
            log.error("message refused: %s", ascii(error))
            return "451 4.3.0 Message could not be stored"

    async def smtp_RSET(self, argument: str) -> None:
        self._forget()
        self.reply("250 2.0.0 Ok")

    async def smtp_NOOP(self, argument: str) -> None:
        self.reply("250 2.0.0 Ok")

    async def smtp_VRFY(self, argument: str) -> None:
        if argument:
            self.reply("252 2.5.2 Cannot verify, but will accept the message")
        else:
            self.reply("501 5.5.4 Syntax: VRFY address")

    async def smtp_EXPN(self, argument: str) -> None:
        self.reply("502 5.5.1 EXPN is not implemented")

    async def smtp_HELP(self, argument: str) -> None:
        self.reply("214 2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT")

    async def smtp_QUIT(self, argument: str) -> None:
        self.reply("221 2.0.0 Bye")
        raise Goodbye


_COMMANDS = {
    verb.encode(): getattr(SMTPSession, f"smtp_{verb}")
    for verb in ("EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "VRFY", "EXPN", "HELP", "QUIT")
}
