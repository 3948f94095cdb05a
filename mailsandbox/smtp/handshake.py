"""Implicit TLS (RFC 8314): a handshake before the first word of SMTP, its faults and its evidence.

Connections are taken one by one instead of by the loop's own server, which tells nobody of a handshake that failed.
"""

import asyncio
import socket
from collections.abc import Callable

from mailsandbox.faults import Delay, Drop, FailTLS, Hang, Reply, Stage, Throttle
from mailsandbox.smtp.connection import RESET
from mailsandbox.smtp.session import SMTPSession
from mailsandbox.smtp.tls import ALERT, HANDSHAKE_TIMEOUT


class TLSServer:
    """Accepts on `sock` and makes a session of each connection whose handshake succeeds; until `close`."""

    def __init__(self, sock: socket.socket, session: Callable[[], SMTPSession]) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._shaking: set[asyncio.Task[None]] = set()
        self._task = self._loop.create_task(self._accept())

    def close(self) -> None:
        """Take no more connections; handshakes under way go on."""
        self._task.cancel()
        self._sock.close()

    async def _accept(self) -> None:
        while True:
            try:
                connection, peer = await self._loop.sock_accept(self._sock)
            except OSError:  # a client that left at once, or no file descriptor for the moment
                await asyncio.sleep(0.01)
                continue
            task = self._loop.create_task(self._shake(connection, f"{peer[0]}:{peer[1]}"))
            self._shaking.add(task)
            task.add_done_callback(self._shaking.discard)

    async def _shake(self, connection: socket.socket, peer: str) -> None:
        connection.setblocking(False)
        session = self._session()
        session.knock(peer)
        try:
            if await self._goes_on(session, connection):
                service = session.service
                context = await self._loop.run_in_executor(None, service.context, session.policy)
                await self._loop.connect_accepted_socket(
                    lambda: session, connection, ssl=context, ssl_handshake_timeout=HANDSHAKE_TIMEOUT
                )
                return
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            session.handshake_failed(error)
        finally:
            if session.transport is None:
                session.record.end("TLS handshake failed")
                session.connection_lost(None)
                connection.close()

    async def _goes_on(self, session: SMTPSession, connection: socket.socket) -> bool:
        """Do what the script wants before the handshake; whether there is to be one."""
        action = session.service.script.decide(Stage.STARTTLS, without=Reply)  # there is no way to say it yet
        if action is not None:
            session.note(f"script: {action}")
        match action:
            case FailTLS():
                await asyncio.wait_for(self._loop.sock_recv(connection, 65536), HANDSHAKE_TIMEOUT)
                await self._loop.sock_sendall(connection, ALERT)
                return False
            case Drop():
                session.record.end("dropped by script")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                return False
            case Hang():
                while await self._loop.sock_recv(connection, 65536):
                    pass
                return False
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case Throttle(rate):
                session.octets_per_second = rate
        return True
