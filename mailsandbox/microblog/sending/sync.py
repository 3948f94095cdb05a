"""In the request, one connection after the other: simple, and the visitor waits."""

from collections.abc import Sequence

from flask_mail import Message

from ..mail import mail
from .sender import Sender


class SyncSender(Sender):
    def send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            mail.send(message)
