"""What every sending path can do."""

from collections.abc import Sequence
from typing import Protocol

from flask_mail import Message


class Sender(Protocol):
    def send(self, messages: Sequence[Message]) -> None:
        """Send them now, or see to it that they are sent. Needs an application context."""

    def close(self) -> None:
        """Finish what is queued and let go of threads; a sender that keeps none has nothing to do."""
