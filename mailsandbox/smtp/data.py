"""The end of DATA and its transparency (RFC 5321 4.5.2), over blocks of any size. Pure."""

from io import BytesIO

_END = b"\r\n.\r\n"
_STUFFED, _PLAIN = b"\r\n.", b"\r\n"


class DataReader:
    """Collects one message from blocks as they come.

    Only CRLF.CRLF ends it; bare CR and LF are ordinary octets. Each block is read once, where it comes, so that a large
    message never keeps anybody waiting at its end. Past `limit` octets nothing more is kept, so that an endless message
    costs no memory, and the search for the end goes on, so that the session stays in step.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._kept = BytesIO()  # gives its octets away without copying them
        # What may be the beginning of something. The CRLF of the DATA command counts as the one before the first line,
        # so that a lone dot there is the end, and a doubled one is a single one.
        self._tail = _PLAIN
        self._begun = False
        self.too_large = False

    def feed(self, block: bytes) -> bytes | None:
        """Take `block`; None while the message goes on, else what of the block lies behind its end."""
        octets = self._tail + block
        end = octets.find(_END)
        if end >= 0:
            self._keep(octets[: end + len(_PLAIN)])
            return octets[end + len(_END) :]
        cut = max(0, len(octets) - len(_END) + 1)
        # The next octet decides whether a line's dot is doubled, so its CRLF has to wait for it.
        if octets[cut - 1 : cut] == b"\r":
            cut -= 1
        elif octets[cut - 2 : cut] == _PLAIN:
            cut -= 2
        if cut >= len(_PLAIN):
            self._keep(octets[:cut])
            octets = octets[cut:]
        self._tail = octets
        return None

    def _keep(self, octets: bytes) -> None:
        if _STUFFED in octets:
            octets = octets.replace(_STUFFED, _PLAIN)
        if not self._begun:
            self._begun = True
            octets = octets[len(_PLAIN) :]
        self._size += len(octets)
        if self._size > self._limit:
            self.too_large = True
            self._kept = BytesIO()
        else:
            self._kept.write(octets)

    def message(self) -> bytes:
        """The octets the client meant: every line's leading dot, which it doubled, removed once. Gives them up."""
        kept, self._kept = self._kept, BytesIO()
        return kept.getvalue()
