"""mailsandbox: test and watch the mail your Flask application sends.

Owns the list of public names and nothing else. Each is imported when it is first used, so that a pytest plugin, a
command line or an application which merely mentions the package pays for no SMTP server, no Flask and no database.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailsandbox.captured import CapturedMessage as CapturedMessage
    from mailsandbox.errors import MailSandboxError as MailSandboxError
    from mailsandbox.extract import Link as Link
    from mailsandbox.mailbox import Mailbox as Mailbox
    from mailsandbox.message import Address as Address
    from mailsandbox.message import Attachment as Attachment
    from mailsandbox.message import Envelope as Envelope
    from mailsandbox.message import Session as Session
    from mailsandbox.sandbox import MailSandbox as MailSandbox
    from mailsandbox.sandbox import capture as capture

__version__ = "0.1.0"

_HOME = {
    "Address": "mailsandbox.message",
    "Attachment": "mailsandbox.message",
    "CapturedMessage": "mailsandbox.captured",
    "Envelope": "mailsandbox.message",
    "Link": "mailsandbox.extract",
    "MailSandbox": "mailsandbox.sandbox",
    "MailSandboxError": "mailsandbox.errors",
    "Mailbox": "mailsandbox.mailbox",
    "Session": "mailsandbox.message",
    "capture": "mailsandbox.sandbox",
}

__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'mailsandbox' has no attribute {name!r}; it has {', '.join(sorted(_HOME))}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
