"""All mails over one connection: the greeting, STARTTLS and login are paid for once."""

from collections.abc import Sequence
from smtplib import SMTPRecipientsRefused

from flask_mail import Message

from ..mail import mail
from .sender import Sender


class BulkSender(Sender):
    def send(self, messages: Sequence[Message]) -> None:
        refused = {}
        with mail.connect() as connection:
            for message in messages:
                try:
                    connection.send(message)
                except SMTPRecipientsRefused as error:
                    # One reader's full or closed mailbox is no reason to keep the others waiting.
                    refused.update(error.recipients)
        if refused:
            raise SMTPRecipientsRefused(refused)
