"""What one client may ask of the server. Values only."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Sizes in octets, times in seconds.

    RFC 5321 4.5.3.1 sets minima, not maxima: a command line of 512 octets and 100 recipients must work. A line of a
    message may have any length: Flask-Mail does not wrap, and a mail that is refused here cannot be looked at.
    """

    message: int = 50 * 1024 * 1024
    command: int = 4096
    auth: int = 12_288  # one line of an AUTH exchange (RFC 4954 4)
    recipients: int = 1000
    connections: int = 1000
    idle: float = 300.0  # RFC 5321 4.5.3.2.7
    slow: float = 600.0  # for one command or message to arrive whole
    errors: int = 10  # commands that are none, or logins that fail, before the connection is closed
    records: int = 10_000  # connections that are over and still told about
