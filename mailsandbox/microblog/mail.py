"""Composing the mails, in text and in HTML. How they travel is the business of `sending`.

Compose in the request: the links are absolute, and `url_for` takes their host from the request. A deployed
application sets TRUSTED_HOSTS, or a forged Host header would choose where the links of its mails lead.
"""

from collections.abc import Iterable
from typing import Any

from flask import render_template
from flask_mail import Mail, Message

from .user import User

mail = Mail()


def follower_notification(follower: User, followed: User) -> Message:
    """Tell `followed` about a new follower."""
    subject = f"{follower.username} is now following you!"
    return _compose("follower", followed, subject, follower=follower)


def newsletter(subject: str, body: str, author: User, readers: Iterable[User]) -> list[Message]:
    """One message for each reader, so that nobody sees the others' addresses."""
    paragraphs = [line for line in body.splitlines() if line.strip()]
    return [_compose("newsletter", reader, subject, author=author, paragraphs=paragraphs) for reader in readers]


def _compose(template: str, recipient: User, subject: str, **context: Any) -> Message:
    context |= {"recipient": recipient, "subject": subject}
    return Message(
        subject,
        recipients=[(recipient.username, recipient.email)],
        body=render_template(f"email/{template}.txt", **context),
        html=render_template(f"email/{template}.html", **context),
    )
