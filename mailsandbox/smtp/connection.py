"""The octets of one connection: lines in, replies out, one command at a time.

Owns framing, flow control, the idle clock and the end. Knows no SMTP verb: a subclass says what a line or a message
means. Each command is a coroutine, started where its octets arrive; most of them end without ever waiting, and only one
that does wait costs a task. That is several times cheaper than a task that reads for the whole connection.
"""

import asyncio
import logging
import types
from abc import abstractmethod
from collections.abc import Coroutine, Generator
from typing import Any, cast

from aiosmtpd.smtp import SMTP

from mailsandbox.smtp.data import DataReader
from mailsandbox.smtp.limits import Limits

log = logging.getLogger("mailsandbox.smtp")

_MOST_WAITING = 256 * 1024  # octets taken in while a command is still at work; the rest waits in the client's socket


class Goodbye(Exception):
    """The conversation is over; the reply has been written."""


class SMTPConnection(SMTP):
    """The server's side of one connection, as an asyncio protocol.

    aiosmtpd's constructor is not called: for each connection it inspects every method and asks the resolver for our
    name.
    """

    transport: asyncio.Transport | None

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.limits = limits
        self.transport = None
        self._pending = bytearray()
        self._searched = 0  # octets of `_pending` known to hold no line end
        self._skipping = False  # inside a line that was over the limit
        self._incoming: DataReader | None = None
        self._task: asyncio.Task[None] | None = None
        self._clogged = self._paused_reading = self._at_eof = False
        self._deadline = 0.0
        self._clock: asyncio.TimerHandle | None = None

    # What a subclass says ----------------------------------------------------------------------------------------

    @abstractmethod
    async def greet(self) -> None:
        """The first reply."""

    @abstractmethod
    async def obey(self, line: bytes) -> None:
        """One command line, without its end."""

    @abstractmethod
    async def receive(self, data: DataReader) -> None:
        """The whole message that `expect_data` announced."""

    # What it may do ----------------------------------------------------------------------------------------------

    def reply(self, text: str) -> None:
        """Write one reply; several lines are separated by a newline, each complete with its code."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write((text.replace("\n", "\r\n") + "\r\n").encode("utf-8"))

    def expect_data(self, limit: int) -> None:
        """What comes next is a message, not a command."""
        self._incoming = DataReader(limit)

    def abort(self) -> None:
        """Drop the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    # The transport's calls ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._deadline = self.loop.time() + self.limits.idle
        self._clock = self.loop.call_at(self._deadline, self._tick)
        self._do(self.greet())

    def data_received(self, data: bytes) -> None:
        self._pending += data
        self._deadline = self.loop.time() + self.limits.idle
        self._advance()

    def eof_received(self) -> bool:
        """A client may close its side and still wait for replies."""
        self._at_eof = True
        self._advance()
        return True

    def pause_writing(self) -> None:
        self._clogged = True

    def resume_writing(self) -> None:
        self._clogged = False
        self.loop.call_soon(self._advance)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self._clock is not None:
            self._clock.cancel()

    # One command after the other ---------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Do whatever is complete, until a command has to wait or the client does not take its replies."""
        while self._task is None and not self._clogged and self.transport is not None:
            if self.transport.is_closing():
                self._pending.clear()
                return
            if (work := self._next()) is None:
                if self._at_eof:
                    self.transport.close()
                break
            self._do(work)
        self._throttle()

    def _next(self) -> Coroutine[Any, Any, None] | None:
        """The work that the octets at hand ask for, if they are all of it."""
        if self._incoming is not None:
            if not self._pending or (rest := self._incoming.feed(bytes(self._pending))) is None:
                self._pending.clear()
                return None
            self._pending[:] = rest
            data, self._incoming = self._incoming, None
            return self.receive(data)
        line = self._line()
        return None if line is None else self.obey(line)

    def _line(self) -> bytes | None:
        """The next command, without its end; lines over the limit are answered here and skipped."""
        pending, limit = self._pending, self.limits.command
        while (end := pending.find(b"\n", self._searched)) >= 0:
            line = bytes(pending[:end]).removesuffix(b"\r")
            del pending[: end + 1]
            self._searched = 0
            if not self._skipping and len(line) <= limit:
                return line
            self._skipping = False
            self.reply("500 5.5.2 Line too long")
        if len(pending) > limit:
            self._skipping = True
            pending.clear()
        self._searched = len(pending)
        return None

    def _throttle(self) -> None:
        """Stop reading while more waits than may, and go on when it is done."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if len(self._pending) > _MOST_WAITING and not self._paused_reading:
            self._paused_reading = True
            transport.pause_reading()
        elif self._paused_reading and len(self._pending) <= _MOST_WAITING:
            self._paused_reading = False
            transport.resume_reading()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` up to its first wait; whatever is left of it then becomes the connection's task."""
        try:
            waits_for = work.send(None)
        except StopIteration:
            return
        except Exception as error:
            self._failed(error)
            return
        self._task = self.loop.create_task(_rest(work, waits_for))
        self._task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        self._deadline = self.loop.time() + self.limits.idle
        if task.cancelled():
            self.abort()
        elif (error := task.exception()) is not None:
            self._failed(error)
        self._advance()

    def _failed(self, error: BaseException) -> None:
        """The end of the conversation. Nothing of an exception ever reaches the wire."""
        if not isinstance(error, Goodbye):
            log.error("a session failed", exc_info=error)
            self.reply("421 4.3.0 Internal error, closing")
        if self.transport is not None:
            self.transport.close()

    def _tick(self) -> None:
        """The idle clock: one timer a connection, moved on when it rings too early."""
        if self._task is None and self.loop.time() >= self._deadline:
            self.reply("421 4.4.2 Idle for too long, closing")
            if self.transport is not None:
                self.transport.close()
            return
        at_least = self.loop.time() + min(1.0, self.limits.idle)
        self._clock = self.loop.call_at(max(self._deadline, at_least), self._tick)


async def _rest(work: Coroutine[Any, Any, None], waits_for: Any) -> None:
    """What is left of a coroutine that was started outside a task and now waits for the future `waits_for`."""
    await _resumed(work, waits_for)


@types.coroutine
def _resumed(work: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    try:
        while True:
            try:
                value = yield waits_for
            except BaseException as error:
                waits_for = work.throw(error)
            else:
                waits_for = work.send(value)
    except StopIteration:
        return
