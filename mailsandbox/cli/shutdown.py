"""Ctrl-C and SIGTERM as something a process can wait for."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """An event that the signals set; their former handlers come back at the end. Only for the main thread."""
    stop = threading.Event()
    # Windows has no SIGTERM to receive, and SIGBREAK for Ctrl-Break instead.
    names = [name for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]
    former = {name: signal.signal(getattr(signal, name), lambda *_: stop.set()) for name in names}
    try:
        yield stop
    finally:
        for name, handler in former.items():
            signal.signal(getattr(signal, name), handler)


def wait(stop: threading.Event) -> None:
    """Sleep until `stop` is set. In slices: on Windows no signal interrupts a wait."""
    while not stop.wait(1):
        pass
