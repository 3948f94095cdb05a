"""One SMTP session: the commands of RFC 5321 and their replies.

A subclass of aiosmtpd's SMTP that keeps its connection handling and replaces its command loop, its parsing of addresses
and its DATA. Owns the conversation; hands a finished message to `deliver` and answers 250 only when that is done. Every
reply is a fixed text with its enhanced status code (RFC 3463): nothing of an exception ever reaches the wire.
"""

import asyncio
import logging
from asyncio import StreamReader, StreamReaderProtocol
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiosmtpd.smtp import SMTP

from mailsandbox.errors import StoreFull
from mailsandbox.message import Envelope, Message, Refusal, Session
from mailsandbox.smtp.data import DataReader
from mailsandbox.smtp.limits import Limits
from mailsandbox.smtp.path import BadPath, Path, parse_path

log = logging.getLogger("mailsandbox.smtp")

# What aiosmtpd 1.4.6 keeps in an SMTP instance and does not document. Its constructor makes all of it anew for each
# connection, at the price of inspecting every method and asking the resolver for our name, so ours sets what is used.
AIOSMTPD_PRIVATE = (
    "_cb_client_connected",
    "_create_session",
    "_handle_client",
    "_handler_coroutine",
    "_original_transport",
    "_reset_timeout",
    "_set_rset_state",
    "_timeout_cb",
    "_timeout_duration",
    "_timeout_handle",
    "_tls_protocol",
)
_BLOCK = 256 * 1024
_MAIL_PARAMETERS = frozenset(["SIZE", "BODY", "SMTPUTF8", "AUTH", "RET", "ENVID"])
_RCPT_PARAMETERS = frozenset(["NOTIFY", "ORCPT"])
# A browser led to this port must not be able to speak SMTP in the lines of its request.
_NOT_SMTP = frozenset([b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH", b"CONNECT", b"TRACE"])


class _Goodbye(Exception):
    """The conversation is over; the reply has been written."""


@dataclass(frozen=True)
class Service:
    """What all sessions of one listener share."""

    mailbox: str
    deliver: Callable[[Message], Future[int]]
    limits: Limits
    sessions: "set[SMTPSession]"
    name: str = "mailsandbox"
    smtputf8: bool = True


class SMTPSession(SMTP):
    """The server's side of one connection."""

    def __init__(self, service: Service, id: str, loop: asyncio.AbstractEventLoop) -> None:
        reader = StreamReader(limit=_BLOCK, loop=loop)
        StreamReaderProtocol.__init__(self, reader, client_connected_cb=self._cb_client_connected, loop=loop)
        self.loop = loop
        self.service = service
        self.id = id
        self.session = self.envelope = self.transport = None
        self.event_handler = None
        self._timeout_duration = service.limits.idle
        self._timeout_handle = self._tls_protocol = self._original_transport = self._handler_coroutine = None
        self._handle_hooks: dict[str, Any] = {}
        self._pending = bytearray()
        self._evidence = Session(id=id)
        self._forget()

    def _forget(self) -> None:
        """Back to the state before MAIL."""
        self._mail: Path | None = None
        self._recipients: list[Path] = []
        self._refused: list[Refusal] = []

    # The connection ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.service.sessions.add(self)
        super().connection_made(transport)
        peer = transport.get_extra_info("peername") or ("", 0)
        self._evidence = Session(id=self.id, peer=f"{peer[0]}:{peer[1]}")

    def connection_lost(self, error: Exception | None) -> None:
        self.service.sessions.discard(self)
        super().connection_lost(error)

    def eof_received(self) -> bool:
        """A client may close its side and still wait for replies; aiosmtpd would cancel what is being stored."""
        self._reader.feed_eof()
        return True

    def _timeout_cb(self) -> None:
        if self.transport is not None:
            self._writer.write(b"421 4.4.2 Idle for too long, closing\r\n")
            self.transport.close()

    def abort(self) -> None:
        """Drop the connection at once."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()

    # The conversation --------------------------------------------------------------------------------------------

    async def _handle_client(self) -> None:
        try:
            if len(self.service.sessions) > self.service.limits.connections:
                await self._reply("421 4.7.0 Too many connections, try again later")
                return
            await self._reply(f"220 {self.service.name} ESMTP")
            await self._converse()
        except (_Goodbye, ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("session %s failed", self.id)
            self._writer.write(b"421 4.3.0 Internal error, closing\r\n")
        finally:
            self._writer.close()

    async def _converse(self) -> None:
        errors = self.service.limits.errors
        while True:
            line = await self._line()
            self._reset_timeout()
            verb, _, rest = line.partition(b" ")
            command = _COMMANDS.get(verb.upper())
            if command is None:
                errors -= 1
                if errors < 1 or verb.upper() in _NOT_SMTP:
                    await self._reply("421 4.7.0 This is SMTP, closing")
                    return
                await self._reply("500 5.5.2 Command not recognized")
                continue
            try:
                argument = rest.strip(b" ").decode("utf-8")
            except UnicodeDecodeError:
                await self._reply("501 5.5.2 Command is not UTF-8")
                continue
            await command(self, argument)

    async def _line(self) -> bytes:
        """The next command, without its line end; lines over the limit are answered here and skipped."""
        pending, limit = self._pending, self.service.limits.command
        searched, too_long = 0, False
        while True:
            end = pending.find(b"\n", searched)
            if end >= 0:
                line = bytes(pending[:end]).removesuffix(b"\r")
                del pending[: end + 1]
                if not too_long and len(line) <= limit:
                    return line
                await self._reply("500 5.5.2 Line too long")
                searched, too_long = 0, False
                continue
            if len(pending) > limit:
                too_long = True
                pending.clear()
            searched = len(pending)
            pending += await self._block()

    async def _block(self) -> bytes:
        """Whatever the client sends next. Raises _Goodbye when it has closed its side."""
        block = await self._reader.read(_BLOCK)
        if not block:
            raise _Goodbye
        return bytes(block)

    async def _reply(self, reply: str) -> None:
        """Write one reply; several lines are separated by a newline, each complete with its code."""
        self._writer.write("".join(f"{line}\r\n" for line in reply.split("\n")).encode("utf-8"))
        await self._writer.drain()

    # Commands ----------------------------------------------------------------------------------------------------

    async def smtp_EHLO(self, argument: str) -> None:
        if not argument:
            await self._reply("501 5.5.4 Syntax: EHLO hostname")
            return
        self._greeted(argument, esmtp=True)
        keywords = [
            "PIPELINING",
            f"SIZE {self.service.limits.message}",
            "8BITMIME",
            "ENHANCEDSTATUSCODES",
            "DSN",
        ]
        if self.service.smtputf8:
            keywords.append("SMTPUTF8")
        lines = [self.service.name, *keywords, "HELP"]
        await self._reply("\n".join(f"250{' ' if i == len(lines) - 1 else '-'}{t}" for i, t in enumerate(lines)))

    async def smtp_HELO(self, argument: str) -> None:
        if not argument:
            await self._reply("501 5.5.4 Syntax: HELO hostname")
            return
        self._greeted(argument, esmtp=False)
        await self._reply(f"250 {self.service.name}")

    def _greeted(self, name: str, *, esmtp: bool) -> None:
        self._evidence = Session(id=self.id, peer=self._evidence.peer, ehlo=name, esmtp=esmtp)
        self._forget()

    async def smtp_MAIL(self, argument: str) -> None:
        if not self._evidence.ehlo:
            await self._reply("503 5.5.1 Send EHLO or HELO first")
        elif self._mail is not None:
            await self._reply("503 5.5.1 MAIL was given already")
        elif isinstance(path := self._path(argument, "FROM:", _MAIL_PARAMETERS), str):
            await self._reply(path)
        elif refusal := self._mail_refusal(path):
            await self._reply(refusal)
        else:
            self._mail = path
            await self._reply("250 2.1.0 Ok")

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
        if size is not None and int(size) > self.service.limits.message:
            return f"552 5.3.4 Message is larger than {self.service.limits.message} octets"
        if body is not None and body.upper() not in ("7BIT", "8BITMIME"):
            return "501 5.5.4 BODY is 7BIT or 8BITMIME"
        if path.parameter("SMTPUTF8") is not None and not self.service.smtputf8:
            return "555 5.5.4 Parameter not recognized"
        return None

    async def smtp_RCPT(self, argument: str) -> None:
        if self._mail is None:
            await self._reply("503 5.5.1 Send MAIL first")
            return
        path = self._path(argument, "TO:", _RCPT_PARAMETERS)
        if isinstance(path, Path) and not path.address:
            path = "501 5.1.3 A recipient needs an address"
        if isinstance(path, Path) and len(self._recipients) >= self.service.limits.recipients:
            reply = "452 4.5.3 Too many recipients"
            self._refused.append(Refusal(path.address, 452, reply[4:]))
            path = reply
        if isinstance(path, str):
            await self._reply(path)
            return
        self._recipients.append(path)
        await self._reply("250 2.1.5 Ok")

    async def smtp_DATA(self, argument: str) -> None:
        if argument:
            await self._reply("501 5.5.4 Syntax: DATA")
        elif self._mail is None:
            await self._reply("503 5.5.1 Send MAIL first")
        elif not self._recipients:
            await self._reply("554 5.5.1 No valid recipients")
        else:
            await self._reply("354 End data with <CR><LF>.<CR><LF>")
            reader = await self._data()
            if reader.too_large:
                reply = f"552 5.3.4 Message is larger than {self.service.limits.message} octets"
            else:
                reply = await self._stored(reader.message())
            self._forget()
            self._reset_timeout()
            await self._reply(reply)

    async def _data(self) -> DataReader:
        reader = DataReader(self.service.limits.message)
        block = bytes(self._pending)
        self._pending.clear()
        while (rest := reader.feed(block)) is None:
            block = await self._block()
            self._reset_timeout()
        self._pending += rest
        return reader

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
                await asyncio.shield(asyncio.wrap_future(future, loop=self.loop))
            return f"250 2.0.0 Ok: queued as {future.result()}"
        except StoreFull as error:
            log.error("message refused: %s", error)
            return "452 4.3.1 Insufficient system storage"
        except Exception as error:
            log.error("message refused: %s", ascii(error))
            return "451 4.3.0 Message could not be stored"

    async def smtp_RSET(self, argument: str) -> None:
        self._forget()
        await self._reply("250 2.0.0 Ok")

    async def smtp_NOOP(self, argument: str) -> None:
        await self._reply("250 2.0.0 Ok")

    async def smtp_VRFY(self, argument: str) -> None:
        if argument:
            await self._reply("252 2.5.2 Cannot verify, but will accept the message")
        else:
            await self._reply("501 5.5.4 Syntax: VRFY address")

    async def smtp_EXPN(self, argument: str) -> None:
        await self._reply("502 5.5.1 EXPN is not implemented")

    async def smtp_HELP(self, argument: str) -> None:
        await self._reply("214 2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT")

    async def smtp_QUIT(self, argument: str) -> None:
        await self._reply("221 2.0.0 Bye")
        raise _Goodbye


_COMMANDS = {
    verb.encode(): getattr(SMTPSession, f"smtp_{verb}")
    for verb in ("EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "VRFY", "EXPN", "HELP", "QUIT")
}
