"""The end of DATA and its transparency (RFC 5321 4.5.2), over blocks of any size. Pure."""

_END = b"\r\n.\r\n"


class DataReader:
    """Collects one message from blocks as they come.

    Only CRLF.CRLF ends it; bare CR and LF are ordinary octets. Past `limit` octets it keeps nothing more, so that an
    endless message costs no memory, and goes on looking for the end so that the session stays in step.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # The CRLF of the DATA command counts as the one before the first line, so that a lone dot there is the end.
        self._kept = bytearray(b"\r\n")
        self._searched = 0
        self.too_large = False

    def feed(self, block: bytes) -> bytes | None:
        """Take `block`; None while the message goes on, else what of the block lies behind its end."""
        kept = self._kept
        kept += block
        end = kept.find(_END, self._searched)
        if end >= 0:
            rest = bytes(kept[end + len(_END) :])
            del kept[end + 2 :]
            if len(kept) - 2 > self._limit + _stuffing(kept, self._limit):
                self.too_large = True
            return rest
        if self.too_large or len(kept) - 2 > 2 * self._limit + len(_END):
            self.too_large = True
            del kept[: -(len(_END) - 1)]
        self._searched = max(0, len(kept) - len(_END) + 1)
        return None

    def message(self) -> bytes:
        """The octets the client meant: every line's leading dot, which it doubled, removed once. Gives them up."""
        kept, self._kept = self._kept, bytearray()
        if b"\r\n." in kept:
            kept = kept.replace(b"\r\n.", b"\r\n")
        with memoryview(kept) as view:
            return bytes(view[2:])


def _stuffing(kept: bytearray, limit: int) -> int:
    """Octets of transparency in `kept`: they are not the message's (RFC 1870 5), and count only when it matters."""
    return kept.count(b"\r\n.") if len(kept) - 2 > limit else 0
