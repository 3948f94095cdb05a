"""The octets of one connection: lines in, replies out, one command at a time.

Owns framing, TLS, flow control, the clocks and the end. Knows no SMTP verb: a subclass says what a line or a message
means. Each command is a coroutine that is run where its octets arrive; most of them end without ever waiting. That is
several times cheaper than a task that reads for the whole connection. But commands run outside any task, where
`asyncio.timeout` and its like do not work.
"""

import asyncio
import logging
import socket
import ssl
import struct
import sys
from collections.abc import Coroutine
from typing import Any, cast

from aiosmtpd.smtp import SMTP

from mailsandbox.smtp.data import DataReader
from mailsandbox.smtp.limits import Limits
from mailsandbox.smtp.line import LineReader
from mailsandbox.smtp.record import Record
from mailsandbox.smtp.tls import ALERT, HANDSHAKE_TIMEOUT

log = logging.getLogger("mailsandbox.smtp")

_MOST_WAITING = 256 * 1024  # octets taken in while a command is still at work; the rest waits in the client's socket
_BURST = 200  # commands of one client before the others have their turn
_LINGER = 2.0  # seconds for a client to take the last reply
RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)  # SO_LINGER on, 0 s: closing sends RST


class Goodbye(Exception):
    """The conversation is over; the reply has been written."""


class SMTPConnection(SMTP):
    """The server's side of one connection, as an asyncio protocol.

    aiosmtpd's constructor is not called: for each connection it inspects every method and asks the resolver for our
    name.
    """

    transport: asyncio.Transport | None
    record: Record

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.limits = limits
        self.transport = None
        self.secure = False
        self.octets_per_second: float | None = None
        self._lines = LineReader()
        self._out = bytearray()
        self._advancing = self._scheduled = False
        self._incoming: DataReader | None = None
        self._whole: DataReader | None = None  # a message that is all there
        self._drop_after: int | None = None
        self._work: Coroutine[Any, Any, None] | None = None  # the command that waits
        self._asking: asyncio.Future[None] | None = None
        self._gone: asyncio.Future[None] | None = None
        self._paused: set[str] = set()
        self._clogged = self._at_eof = self._lost = self._shaking = self._deaf = False
        self._deadline = self._since = 0.0
        self._clock: asyncio.TimerHandle | None = None

    # What a subclass says ----------------------------------------------------------------------------------------

    async def greet(self) -> None:
        """Whatever comes before the first command."""

    async def obey(self, line: bytes) -> None:
        """One command line, without its end."""

    async def receive(self, data: DataReader) -> None:
        """The whole message that `expect_data` announced."""

    # What it may do ----------------------------------------------------------------------------------------------

    def note(self, text: str, who: str = "*") -> None:
        """A line of the transcript."""
        self.record.transcript.add(self.loop.time(), who, text)

    def reply(self, text: str) -> None:
        """Write one reply; several lines are separated by a newline, each complete with its code."""
        if self.transport is None or self.transport.is_closing():
            return
        for line in text.split("\n"):
            self.note(line, "S")
            self._out += f"{line}\r\n".encode()
        if not self._advancing:
            self._flush()

    def _flush(self) -> None:
        """Replies of one turn go out together: a client that pipelines gets one segment, not hundreds."""
        if self._out and self.transport is not None:
            self.record.octets_out += len(self._out)
            self.transport.write(bytes(self._out))
            self._out.clear()

    def _close(self) -> None:
        """Close once the client has taken what was said, or after a moment without it."""
        self._flush()
        if self.transport is not None:
            self.transport.close()
            if self._clock is not None:
                self._clock.cancel()
            self._clock = self.loop.call_later(_LINGER, self.abort)

    def expect_data(self, limit: int, *, drop_after: int | None = None) -> None:
        """What comes next is a message, not a command; the connection drops after so many of its octets."""
        self._incoming = DataReader(limit)
        self._drop_after = drop_after
        self._since = self.loop.time()

    async def ask(self, limit: int) -> bytes:
        """The next line, as the answer to a challenge. Raises ValueError for one over `limit`, Goodbye for none."""
        while (line := self._lines.next(limit)) is None:
            if self._at_eof or self._lost:
                raise Goodbye
            self._asking = self.loop.create_future()
            await self._asking
        self._asking = None
        return line

    def gone(self) -> "asyncio.Future[None]":
        """Done once the client has left."""
        if self._gone is None:
            self._gone = self.loop.create_future()
            if self._lost or self._at_eof:
                self._gone.set_result(None)
        return self._gone

    async def ignore(self) -> None:
        """Take whatever comes and answer nothing, until the client has left."""
        self._deaf = True
        self._lines.clear()
        self.resume("full")
        await self.gone()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Everything from here on is inside TLS; what was sent in the clear behind the command is dropped.

        Raises Goodbye when the handshake fails.
        """
        if self.transport is None or self.transport.is_closing():
            raise Goodbye
        self._lines.clear()
        self._shaking = True
        try:
            transport = await self.loop.start_tls(
                self.transport, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_TIMEOUT
            )
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            self.handshake_failed(error)
            self.connection_lost(None)
            raise Goodbye from error
        finally:
            self._shaking = False
        if self._lost or transport is None or (tls := transport.get_extra_info("ssl_object")) is None:
            raise Goodbye
        self.transport = transport
        self._secured(tls)

    def handshake_failed(self, error: Exception) -> None:
        """Say why in the evidence: on the wire there is nobody to say it to."""
        self.note(f"TLS handshake failed: {getattr(error, 'reason', None) or type(error).__name__}")
        self.record.end("TLS handshake failed")

    def _secured(self, tls: Any) -> None:
        self.secure = True
        version, cipher = tls.version() or "TLS", (tls.cipher() or ("",))[0]
        self.record.tls, self.record.cipher = version, cipher
        self.note(f"TLS is up: {version}, {cipher}")

    async def break_tls(self) -> None:
        """Answer the client's hello with a fatal alert. Raises Goodbye."""
        while not self._lines.pending and not self._lost and not self._at_eof:
            self._asking = self.loop.create_future()
            await self._asking
        self._lines.clear()
        self.record.end("TLS handshake failed")
        self._out += ALERT
        raise Goodbye

    def drop(self, outcome: str) -> None:
        """Reset the connection at once."""
        self.record.end(outcome)
        if self.transport is not None:
            if (sock := self.transport.get_extra_info("socket")) is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()

    def abort(self) -> None:
        """Close the connection at once."""
        self.record.end("stopped")
        if self.transport is not None:
            self.transport.abort()
        if self._shaking:  # in a handshake, nobody else tells us
            self.connection_lost(None)

    # The transport's calls ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._since = self.loop.time()
        self._deadline = self._since + self.limits.idle
        self._clock = self.loop.call_at(self._deadline, self._tick)
        if (tls := transport.get_extra_info("ssl_object")) is not None:
            self._secured(tls)
        self._do(self.greet())

    def data_received(self, data: bytes) -> None:
        self.record.octets_in += len(data)
        if self._deaf:
            return
        if self.octets_per_second is not None:
            self.pause("rate")
            self.loop.call_later(len(data) / self.octets_per_second, self._late, data, self.secure)
            return
        now = self.loop.time()
        if not self._lines.pending and self._incoming is None:
            self._since = now
        self._deadline = now + self.limits.idle
        if self._incoming is None or self._lines.pending or self._drop_after is not None:
            self._lines.pending += data
        elif (rest := self._incoming.feed(data)) is None:  # the way of most of a large message
            return
        else:
            self._lines.pending += rest
            self._whole, self._incoming = self._incoming, None
        self._advance()

    def _late(self, data: bytes, secure: bool) -> None:
        """Octets that a throttle held back; those in the clear are nothing to a session that has become secure."""
        if secure != self.secure or self._shaking:
            return
        self._deadline = self.loop.time() + self.limits.idle
        self._lines.pending += data
        self.resume("rate")
        self._advance()

    def eof_received(self) -> bool:
        """A client may close its side and still wait for replies, except inside TLS."""
        self._at_eof = True
        self._wake()
        self._advance()
        return not self.secure

    def pause_writing(self) -> None:
        self._clogged = True

    def resume_writing(self) -> None:
        self._clogged = False
        self.loop.call_soon(self._advance)

    def connection_lost(self, error: Exception | None) -> None:
        if self._lost:
            return
        self._lost = True
        self.transport = None
        self.record.end("closed by client")
        if self._clock is not None:
            self._clock.cancel()
        self._wake()

    def _wake(self) -> None:
        for waiting in (self._asking, self._gone):
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    # One command after the other ---------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Do whatever is complete, until a command has to wait or the client does not take its replies."""
        if self._asking is not None and not self._asking.done() and self._lines.pending:
            self._asking.set_result(None)
        if self._scheduled:
            return
        self._advancing = True
        for _ in range(_BURST):
            if self._work is not None or self._clogged or self.transport is None:
                break
            if self.transport.is_closing():
                self._lines.clear()
                break
            if (work := self._next()) is None:
                if self._at_eof:
                    self.record.end("closed by client")
                    self._close()
                break
            self._do(work)
        else:
            self._scheduled = True
            self.loop.call_soon(self._go_on)
        self._advancing = False
        self._flush()
        if len(self._lines.pending) > _MOST_WAITING:
            self.pause("full")
        elif self._paused:
            self.resume("full")

    def _go_on(self) -> None:
        self._scheduled = False
        self._advance()

    def _next(self) -> Coroutine[Any, Any, None] | None:
        """The work that the octets at hand ask for, if they are all of it."""
        if self._whole is not None:
            data, self._whole = self._whole, None
            return self.receive(data)
        if self._incoming is not None:
            return self._data(self._incoming)
        line = self._line()
        return None if line is None else self.obey(line)

    def _data(self, reader: DataReader) -> Coroutine[Any, Any, None] | None:
        if not self._lines.pending:
            return None
        octets = self._lines.take()
        rest = reader.feed(octets)
        if self._drop_after is not None:
            self._drop_after -= len(octets) - len(rest or b"")
            if self._drop_after <= 0:
                self.note("dropped within the message")
                self.drop("dropped by script")
                return None
        if rest is None:
            return None
        self._lines.pending += rest
        self._incoming = None
        return self.receive(reader)

    def _line(self) -> bytes | None:
        """The next command line; those over the limit are answered here."""
        while True:
            try:
                return self._lines.next(self.limits.command)
            except ValueError:
                self.note("a line that was too long", "C")
                self.reply("500 5.5.2 Line too long")

    def pause(self, reason: str) -> None:
        if not self._paused and self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()
        self._paused.add(reason)

    def resume(self, reason: str) -> None:
        if reason in self._paused:
            self._paused.discard(reason)
            if not self._paused and self.transport is not None and not self.transport.is_closing():
                self.transport.resume_reading()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` up to its next wait, and go on with it once that is over."""
        try:
            waits_for = work.send(None)
        except StopIteration:
            self._work = None
            return
        except Exception as error:
            self._work = None
            self._failed(error)
            return
        self._work = work
        if waits_for is None:  # `asyncio.sleep(0)`
            self.loop.call_soon(self._resume, None)
        else:
            waits_for._asyncio_future_blocking = False  # what a task says to a future that it has understood
            waits_for.add_done_callback(self._resume)

    def _resume(self, _: object) -> None:
        work, self._asking = self._work, None
        if work is None:
            return
        self._deadline = self.loop.time() + self.limits.idle
        self._do(work)
        if self._work is None:
            self._advance()

    def _failed(self, error: BaseException) -> None:
        """The end of the conversation. Nothing of an exception ever reaches the wire."""
        if not isinstance(error, Goodbye):
            log.error("a session failed", exc_info=error)
            self.reply("421 4.3.0 Internal error, closing")
        self.record.end("closed by server")
        self._close()

    def _tick(self) -> None:
        """The clocks: one timer a connection, moved on when it rings too early."""
        now = self.loop.time()
        waiting = (self._work is None or self._asking is not None) and "rate" not in self._paused
        unfinished = bool(self._lines.pending) or self._incoming is not None
        if waiting and (now >= self._deadline or (unfinished and now >= self._since + self.limits.slow)):
            self.record.end("timed out")
            self.reply(f"421 4.4.2 {'Idle for too long' if now >= self._deadline else 'Too slow'}, closing")
            self._close()
            return
        self._clock = self.loop.call_at(max(self._deadline, now + min(1.0, self.limits.idle)), self._tick)
