"""The lines of commands (RFC 5321 2.3.8) in octets that come as they come. Pure."""


class LineReader:
    """Holds what a client sent and nobody has looked at yet; a line ends with LF, and a CR before it belongs to it."""

    def __init__(self) -> None:
        self.pending = bytearray()
        self._searched = 0  # octets of `pending` known to hold no line end
        self._skipping = False  # inside a line that was over the limit

    def next(self, limit: int) -> bytes | None:
        """The next line without its end; None while there is none. Raises ValueError, once, for one over `limit`."""
        pending = self.pending
        end = pending.find(b"\n", self._searched)
        if end >= 0:
            line = bytes(pending[:end]).removesuffix(b"\r")
            del pending[: end + 1]
            self._searched = 0
            if self._skipping or len(line) > limit:
                self._skipping = False
                raise ValueError("a line over the limit")
            return line
        if len(pending) > limit + pending.endswith(b"\r"):
            self._skipping = True
            pending.clear()
        self._searched = len(pending)
        return None

    def take(self) -> bytes:
        """Everything at hand, for a reader that does not read lines."""
        octets = bytes(self.pending)
        self.clear()
        return octets

    def clear(self) -> None:
        """Forget what was sent."""
        self.pending.clear()
        self._searched, self._skipping = 0, False
