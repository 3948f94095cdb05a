"""The SMTP server: sessions, their loop thread, and nothing else.

The only code that knows aiosmtpd. Gives what it receives to an inbox, and knows no mailbox, Flask or test.
"""

from mailsandbox.smtp.limits import Limits
from mailsandbox.smtp.server import Listener, ServerThread

__all__ = ["Limits", "Listener", "ServerThread"]
