"""The SMTP server: sessions, their loop thread, and what a test may ask of them.

The only code that knows aiosmtpd. Gives what it receives to an inbox, and knows no mailbox, Flask or test.
"""

from mailsandbox.smtp.auth import Auth
from mailsandbox.smtp.control import Control
from mailsandbox.smtp.limits import Limits
from mailsandbox.smtp.policy import Policy
from mailsandbox.smtp.record import Connection
from mailsandbox.smtp.server import Listener, ServerThread
from mailsandbox.smtp.service import Service
from mailsandbox.smtp.tls import TLS, Authority

__all__ = [
    "TLS",
    "Auth",
    "Authority",
    "Connection",
    "Control",
    "Limits",
    "Listener",
    "Policy",
    "ServerThread",
    "Service",
]
