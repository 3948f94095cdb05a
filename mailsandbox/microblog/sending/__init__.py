"""The ways a mail can leave the application, behind one function.

| MAIL_SENDING | the request                                   | connections       |
|--------------|-----------------------------------------------|-------------------|
| sync         | waits for the mail server                     | one for each mail |
| thread       | returns at once; a thread for each mail       | one for each mail |
| pool         | returns at once; a few threads share the work | one for each mail |
| bulk         | waits for the mail server                     | one for all mails |
"""

from collections.abc import Callable, Mapping, Sequence

from flask import Flask, current_app
from flask_mail import Message

from .bulk import BulkSender
from .pool import PoolSender
from .sender import Sender
from .sync import SyncSender
from .thread import ThreadSender

__all__ = ["SENDERS", "Sender", "close", "deliver", "init_app"]

SENDERS: Mapping[str, Callable[[], Sender]] = {
    "sync": SyncSender,
    "thread": ThreadSender,
    "pool": PoolSender,
    "bulk": BulkSender,
}


def init_app(app: Flask) -> None:
    """Give the application its own senders, and refuse a MAIL_SENDING that is none of them."""
    chosen = app.config["MAIL_SENDING"]
    if chosen not in SENDERS:
        raise ValueError(f"MAIL_SENDING is {chosen!r}; it must be one of: {', '.join(SENDERS)}.")
    app.extensions["microblog_senders"] = {name: make() for name, make in SENDERS.items()}


def deliver(messages: Sequence[Message], path: str | None = None) -> bool:
    """Send by `path`, or as MAIL_SENDING says; False, and the reason is logged, if some mail was not taken.

    A sender that works in the background answers True at once and logs its failures later.
    """
    path = path or current_app.config["MAIL_SENDING"]
    for message in messages:
        message.extra_headers = {**(message.extra_headers or {}), "X-Microblog-Path": path}
    try:
        current_app.extensions["microblog_senders"][path].send(messages)
    except OSError:  # a refused connection, and every smtplib.SMTPException: all of them are OSErrors
        current_app.logger.exception("Could not send mail by %s.", path)
        return False
    return True


def close(app: Flask) -> None:
    """Wait for what the application's senders have queued, and end their threads."""
    for sender in app.extensions["microblog_senders"].values():
        sender.close()
