"""Withholding a reply until a block of a test ends, which proves that the test does not wait for it.

A sender that runs in the very thread that holds can never be answered: it is found by its stack, without a clock, and
let go. One that the holding thread waits for in another way is let go after a time. Either way the block fails, naming
the line, and nothing hangs.
"""

import asyncio
import socket
import sys
import sysconfig
import threading
from contextlib import suppress
from inspect import getattr_static
from pathlib import Path
from types import FrameType

from mailsandbox.faults import Stage

_LIBRARIES = tuple({str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib", "purelib")})
_DEEPEST = 200  # frames looked at


class Hold:
    """Context manager: sessions that come to `stage` wait until the block ends.

    Raises AssertionError at the end of a block that waited for its own mail.
    """

    def __init__(self, stage: Stage, timeout: float, holds: list["Hold"]) -> None:
        self.stage = stage
        self.held = 0  # sessions that came to wait
        self._timeout = timeout
        self._holds = holds
        self._thread = 0
        self._broken = ""
        self._over = threading.Event()
        self._waiting: set[asyncio.Future[None]] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> "Hold":
        self._thread = threading.get_ident()
        self._broken, self.held = "", 0
        self._over.clear()
        self._holds.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        __tracebackhide__ = True
        self._holds.remove(self)
        self.release()
        if self._broken and kind is None:
            raise AssertionError(self._broken)

    def release(self) -> None:
        """Let every session go on; from any thread, harmless when called again."""
        self._over.set()
        with self._lock:
            waiting, self._waiting = self._waiting, set()
        for future in waiting:
            with suppress(RuntimeError):  # the server has stopped meanwhile, and nobody waits any more
                future.get_loop().call_soon_threadsafe(_finish, future)

    async def wait(self, peer: str, gone: "asyncio.Future[None]") -> None:
        """Hold the session with the client at `peer` (its address and port), as long as the client stays."""
        if self._over.is_set():
            return
        self.held += 1
        if (line := self._sending_itself(peer)) is not None:
            self._break(f"the block waited for its own mail: it is sent synchronously, at {line}")
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        clock = loop.call_later(self._timeout, self._expire)
        gone.add_done_callback(lambda _: _finish(future))
        with self._lock:
            self._waiting.add(future)
        if self._over.is_set():  # released between the two looks
            _finish(future)
        try:
            await future
        finally:
            clock.cancel()

    def _expire(self) -> None:
        if not self._over.is_set():
            where = _line(self._stack()) or "an unknown line"
            self._break(f"the block still held the {self.stage} reply after {self._timeout:g} s; it was at {where}")

    def _break(self, reason: str) -> None:
        self._broken = self._broken or reason
        self.release()

    def _stack(self) -> list[FrameType]:
        frame = sys._current_frames().get(self._thread)
        found: list[FrameType] = []
        while frame is not None and len(found) < _DEEPEST:
            found.append(frame)
            frame = frame.f_back
        return found

    def _sending_itself(self, peer: str) -> str | None:
        """The line of the holding thread that is inside the conversation with `peer`; None when none is."""
        stack = self._stack()
        for frame in stack:
            for value in list(frame.f_locals.values()):
                # Never by attribute access: a local may be anything, a proxy of Flask's among it.
                if _name(value) == peer or _name(getattr_static(value, "sock", None)) == peer:
                    return _line(stack) or "an unknown line"
        return None


def _finish(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _name(value: object) -> str:
    """The local address of a socket; "" for what is none, or is none any more."""
    if not issubclass(type(value), socket.socket):
        return ""
    assert isinstance(value, socket.socket)
    try:
        host, port = value.getsockname()[:2]
    except (OSError, ValueError):
        return ""
    return f"{host}:{port}"


def _line(stack: list[FrameType]) -> str:
    """Where `stack` is in the user's own code."""
    for frame in stack:
        file = frame.f_code.co_filename
        if not file.startswith(("<", *_LIBRARIES)) and not str(Path(file).resolve()).startswith(_LIBRARIES):
            return f"{file}:{frame.f_lineno} in {frame.f_code.co_name}"
    return ""
