"""Evidence: what happened on a connection, with its secrets left out.

Owns the transcript and the record of a connection while it lives, and `Connection`, the value shown of it. Written by
the session alone; a test reads snapshots.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from mailsandbox.message import Session

_OPENING = 200  # lines before the first MAIL that are kept
_CURRENT = 2_500  # lines of one transaction
_FAILED = 100  # lines of transactions that came to nothing
_PAST = 500  # lines of earlier transactions
_LINE = 500  # octets of one line
_OCTETS = 200_000  # of the opening and the transaction together


Line = tuple[float, str, str]


class Transcript:
    """The lines of one conversation: its opening, the transaction under way, and the last of those before.

    They are kept as they come and spelt out when somebody looks, because every command adds some.
    """

    def __init__(self, started: float) -> None:
        self._started = started
        self._opening: list[Line] = []
        self._current: list[Line] = []
        self._past: deque[Line] = deque(maxlen=_PAST)
        self._left_out = self._octets = 0
        self._room, self._most = self._opening, _OPENING

    def add(self, now: float, who: str, text: str) -> None:
        """One line: `who` is "C", "S", or "*" for what is no line of either."""
        if len(self._room) < self._most and self._octets < _OCTETS:
            text = text if len(text) <= _LINE else f"{text[:_LINE]}..."
            self._octets += len(text)
            self._room.append((now, who, text))
        else:
            self._left_out += 1

    def begin(self) -> None:
        """What comes now belongs to a transaction; what failed just before may tell why, many failures do not."""
        if len(self._current) > _FAILED:
            self.end()
        self._room, self._most = self._current, _CURRENT

    def end(self) -> None:
        """The transaction is over; its lines make room for the next."""
        self._left_out += max(0, len(self._past) + len(self._current) - _PAST)
        self._past.extend(self._current)
        self._octets -= sum(len(text) for _, _, text in self._current)
        self._current.clear()

    def of_message(self) -> str:
        """The opening and the transaction under way: the part that belongs to the message it carries."""
        return self._spelt([*self._opening, *self._current])

    def _spelt(self, lines: Iterable[Line]) -> str:
        started = self._started
        return "\n".join([f"{now - started:8.3f} {who}: {text}" for now, who, text in lines])

    def __str__(self) -> str:
        gap = [f"         *: {self._left_out} lines left out"] if self._left_out else []
        parts = [self._spelt(self._opening), *gap, self._spelt([*self._past, *self._current])]
        return "\n".join(part for part in parts if part)


@dataclass(frozen=True)
class Connection:
    """One connection as it stands: `session` is who it was, `messages` the ids it brought, in order.

    `outcome` is "open", or how it ended: "quit", "closed by client", "closed by server", "dropped by script",
    "timed out", "TLS handshake failed", "stopped". Octets are those of the SMTP conversation, TLS left out.
    """

    session: Session
    opened_at: datetime
    messages: tuple[int, ...]
    octets_in: int
    octets_out: int
    outcome: str
    transcript: str

    @property
    def closed(self) -> bool:
        return self.outcome != "open"

    def __repr__(self) -> str:
        session = self.session
        said = [session.peer, session.ehlo, session.tls, session.user and f"as {session.user}"]
        who = " ".join(part for part in said if part)
        return f"<Connection {session.id} {who}: {len(self.messages)} messages, {self.outcome}>"


class Record:
    """A connection while it lives: what is known of its client, and what happened."""

    def __init__(self, number: int, id: str, started: float) -> None:
        self.number = number
        self.id = id
        self.peer = self.ehlo = self.tls = self.cipher = self.auth = self.user = ""
        self.esmtp = False
        self.transcript = Transcript(started)
        self.messages: list[int] = []
        self.octets_in = self.octets_out = 0
        self.outcome = "open"
        self._opened_at = datetime.now(UTC)

    def end(self, outcome: str) -> None:
        """How it ended; the first reason stays."""
        if self.outcome == "open":
            self.outcome = outcome

    def session(self, transcript: str) -> Session:
        """The session as it is now."""
        return Session(
            self.id, self.peer, self.ehlo, self.esmtp, self.tls, self.cipher, self.auth, self.user, transcript
        )

    def shown(self) -> Connection:
        """The connection as it stands."""
        transcript = str(self.transcript)
        return Connection(
            session=self.session(transcript),
            opened_at=self._opened_at,
            messages=tuple(self.messages),
            octets_in=self.octets_in,
            octets_out=self.octets_out,
            outcome=self.outcome,
            transcript=transcript,
        )


def readable(octets: bytes) -> str:
    """`octets` as one line that can be shown anywhere."""
    text = octets.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
