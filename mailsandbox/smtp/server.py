"""The thread that owns the event loop, and the listeners on it.

All sessions of all listeners run on one loop in one thread. Stopping drops connections instead of waiting for them, so
it takes milliseconds whatever clients do: `Server.wait_closed` and TLS shutdown would wait for each of them.
"""

import asyncio
import itertools
import secrets
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from mailsandbox.errors import Closed
from mailsandbox.listen import bind
from mailsandbox.smtp.handshake import TLSServer
from mailsandbox.smtp.service import Service
from mailsandbox.smtp.session import SMTPSession

T = TypeVar("T")
_GRACE = 0.1  # seconds


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where it is installed: it halves the cost of a short connection."""
    try:
        import uvloop  # an extra; imported here so that only a server pays for it
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class Listener:
    """One listening address of a mailbox; open until `close` or the thread's stop."""

    def __init__(self, thread: "ServerThread", sock: socket.socket, service: Service, *, tls: bool) -> None:
        self.host, self.port = sock.getsockname()[:2]
        self.service = service
        self._thread = thread
        self._sock: socket.socket | None = None  # bound and not listening, while connections are refused
        self._tls = tls
        self._server: asyncio.Server | TLSServer | None = None
        # Nobody waits for this: clients that connect meanwhile are queued, because the socket listens already.
        self._opened = thread.start(self._open(sock))
        self._refusals = 0

    async def _open(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()

        def session() -> SMTPSession:
            number = next(self._thread.numbers)
            return SMTPSession(self.service, number, f"{self._thread.run_id}-{number}", loop)

        if self._tls:
            self._server = TLSServer(sock, session)
        else:
            self._server = await loop.create_server(session, sock=sock, backlog=1024)

    @property
    def listening(self) -> bool:
        return self._server is not None or self._sock is not None or not self._opened.done()

    async def _close(self) -> None:
        await asyncio.wrap_future(self._opened)
        if self._server is not None:
            self._server.close()
            self._server = None
        elif self._sock is not None:
            self._sock.close()
        self._sock = None

    async def _refuse(self) -> None:
        await asyncio.wrap_future(self._opened)
        self._refusals += 1
        if self._server is not None:
            await self._close()
            # Bound and not listening: the system itself refuses, and nobody else can take the port.
            self._sock = bind(self.host, self.port, listen=False)

    async def _accept(self) -> None:
        self._refusals -= 1
        if self._refusals == 0 and self._server is None and self._sock is not None:
            self._sock.close()
            self._sock = None
            await self._open(bind(self.host, self.port))

    def close(self) -> None:
        """Stop listening; sessions that are under way go on. Harmless when called again."""
        if not self._thread.stopped:
            self._thread.run(self._close())

    def refuse(self) -> None:
        """Have the system refuse connections, until each call is taken back by one of `accept`."""
        self._thread.run(self._refuse())

    def accept(self) -> None:
        """Take back one `refuse`. Harmless after the end."""
        if not self._thread.stopped:
            self._thread.run(self._accept())

    def settle(self) -> None:
        """Let the sessions see what their clients have done so far."""
        if not self._thread.stopped:
            for _ in range(2):
                self._thread.run(asyncio.sleep(0))


class ServerThread:
    """Runs the SMTP sessions of a process; started when made."""

    def __init__(self) -> None:
        self._loop = _new_loop()
        self._listeners: list[Listener] = []
        self._ports: set[int] = set()
        # Session ids are unique among all runs over one store: a random word for the run, a number for the session.
        self.run_id = secrets.token_hex(3)
        self.numbers = itertools.count(1)
        self.stopped = False
        self._thread = threading.Thread(target=self._live, name="mailsandbox-smtp", daemon=True)
        self._thread.start()

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Have `work` done on the loop. Raises Closed after `stop`."""
        if self.stopped:
            work.close()
            raise Closed("the SMTP server has stopped")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, done on the loop. Raises Closed after `stop`."""
        return self.start(work).result()

    def listen(self, host: str, port: int, service: Service, *, tls: bool = False) -> Listener:
        """Listen on `host` and `port` (0: any free one, never one that this thread has had before) for `service`.

        `tls`: every connection begins with a TLS handshake. Raises ListenError.
        """
        sock = self._bound(host, port)
        try:
            listener = Listener(self, sock, service, tls=tls)
        except BaseException:
            sock.close()
            raise
        self._ports.add(listener.port)
        self._listeners = [one for one in self._listeners if one.listening or one.service.sessions]
        self._listeners.append(listener)
        return listener

    def _bound(self, host: str, port: int) -> socket.socket:
        refused: list[socket.socket] = []
        try:
            while True:
                sock = bind(host, port)
                if port != 0 or sock.getsockname()[1] not in self._ports:
                    return sock
                refused.append(sock)  # kept open, so that the system cannot offer it again
        finally:
            for sock in refused:
                sock.close()

    def _sessions(self) -> "list[SMTPSession]":
        return [session for listener in self._listeners for session in list(listener.service.sessions)]

    def stop(self) -> None:
        """Close every listener and drop every connection; harmless when called again."""
        if self.stopped:
            return
        self.run(self._stop())
        self.stopped = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _stop(self) -> None:
        for listener in self._listeners:
            await listener._close()
        # One that is about to hear its 250 or to say QUIT gets the moment it takes; one that only sits there does not.
        deadline = self._loop.time() + _GRACE
        while self._loop.time() < deadline and any(session.lively for session in self._sessions()):
            await asyncio.sleep(_GRACE / 50)
        for session in self._sessions():
            session.abort()
        current = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not current]
        await asyncio.sleep(0)  # lets the dropped connections tell their sessions
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
