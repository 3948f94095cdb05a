"""A thread for each mail: the request returns at once."""

from collections.abc import Sequence
from threading import Thread

from flask import current_app
from flask_mail import Message

from .background import send_in_background
from .sender import Sender


class ThreadSender(Sender):
    def send(self, messages: Sequence[Message]) -> None:
        # current_app is a proxy that means nothing in another thread: hand over the application behind it.
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        for message in messages:
            # Not a daemon: at exit Python waits for the mail instead of cutting it off.
            Thread(target=send_in_background, args=(app, message), name="microblog-mail").start()
