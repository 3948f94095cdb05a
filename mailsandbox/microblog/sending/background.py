"""What a mail needs outside the request that composed it."""

from flask import Flask
from flask_mail import Message

from ..mail import mail


def send_in_background(app: Flask, message: Message) -> None:
    """Send one mail from a thread that has no application context of its own."""
    with app.app_context():
        try:
            mail.send(message)
        except Exception:
            # No visitor is waiting to be told, and an executor would keep the exception to itself.
            app.logger.exception("Could not send %r in the background.", message.subject)
