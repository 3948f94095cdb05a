"""What one running viewer holds: its inbox, its event streams, and the key of its inline images.

Owns the lookup of a message by what stands in a URL. Knows no HTML, no JSON and no server.
"""

import secrets
import threading
from typing import cast

from flask import abort, current_app

from mailsandbox.inbox import Inbox
from mailsandbox.message import Message

# Each open stream keeps a thread of the server; the rest of its threads answer pages.
STREAM_LIMIT = 48
# More digits than any id or offset has; longer ones would overflow a database's integer.
_DIGITS = 15


class Viewer:
    """The state behind one application; found again with `current()`."""

    def __init__(self, inbox: Inbox, smtp: str) -> None:
        self.inbox = inbox
        self.smtp = smtp
        # Images of a mail are fetched by a document of no origin, so they must be readable across origins.
        # Nobody else can name them, because nobody else knows this.
        self.key = secrets.token_urlsafe(16)
        self.closing = threading.Event()
        self._streams = 0
        self._lock = threading.Lock()

    @property
    def streams(self) -> int:
        """How many event streams are open."""
        return self._streams

    def take_stream(self) -> bool:
        """Count one more stream as open, unless there are too many."""
        with self._lock:
            if self._streams >= STREAM_LIMIT:
                return False
            self._streams += 1
            return True

    def give_stream(self) -> None:
        """Count one stream as ended."""
        with self._lock:
            self._streams -= 1


def current() -> Viewer:
    """The viewer that this request is for."""
    return cast(Viewer, current_app.extensions["mailsandbox"])


def number(text: str) -> int | None:
    """The whole number that `text` is in plain digits, or None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def message_or_404(ref: str) -> Message:
    """The message that `ref`, an id or `latest`, stands for."""
    inbox = current().inbox
    if ref == "latest":
        newest = inbox.page(limit=1)
        id_ = newest[0].id if newest else None
    else:
        id_ = number(ref)
    message = None if id_ is None else inbox.get(id_)
    if message is None:
        abort(404, "there is no such message; it may have been deleted")
    return message
