"""Evidence: what happened on a connection, with its secrets left out.

Owns the transcript and the record of a connection while it lives, and `Connection`, the value shown of it. Written by
the session alone; a test reads snapshots.
"""

from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from mailsandbox.message import Session

_OPENING = 200  # lines before the first MAIL that are kept
_CURRENT = 2_500  # lines of one transaction
_PAST = 500  # lines of earlier transactions


class Transcript:
    """The lines of one conversation: its opening, the transaction under way, and the last of those before."""

    def __init__(self) -> None:
        self._opening: list[str] = []
        self._current: list[str] = []
        self._past: deque[str] = deque(maxlen=_PAST)
        self._left_out = 0
        self._begun = False

    def add(self, seconds: float, who: str, text: str) -> None:
        """One line: `seconds` since the connection came, "C", "S" or "*" for what is no line of either."""
        room = self._current if self._begun else self._opening
        if len(room) >= (_CURRENT if self._begun else _OPENING):
            self._left_out += 1
            return
        room.append(f"{seconds:8.3f} {who}: {text}")

    def begin(self) -> None:
        """What comes now belongs to a transaction."""
        self._begun = True

    def end(self) -> None:
        """The transaction is over; its lines make room for the next."""
        self._left_out += max(0, len(self._past) + len(self._current) - _PAST)
        self._past.extend(self._current)
        self._current.clear()

    def of_message(self) -> str:
        """The opening and the transaction under way: the part that belongs to the message it carries."""
        return "\n".join([*self._opening, *self._current])

    def __str__(self) -> str:
        gap = [f"         *: {self._left_out} lines left out"] if self._left_out else []
        return "\n".join([*self._opening, *gap, *list(self._past), *self._current])


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
    """A connection while it lives."""

    def __init__(self, number: int, id: str, peer: str, opened: float) -> None:
        self.number = number
        self.session = Session(id=id, peer=peer)
        self.transcript = Transcript()
        self.messages: list[int] = []
        self.octets_in = self.octets_out = 0
        self.outcome = "open"
        self._opened = opened
        self._opened_at = datetime.now(UTC)

    def say(self, now: float, who: str, text: str) -> None:
        self.transcript.add(now - self._opened, who, text)

    def end(self, outcome: str) -> None:
        """How it ended; the first reason stays."""
        if self.outcome == "open":
            self.outcome = outcome

    def learn(self, **facts: object) -> None:
        """Something more about the session."""
        self.session = replace(self.session, **facts)  # type: ignore[arg-type]

    def shown(self) -> Connection:
        """The connection as it stands."""
        return Connection(
            session=self.session,
            opened_at=self._opened_at,
            messages=tuple(self.messages),
            octets_in=self.octets_in,
            octets_out=self.octets_out,
            outcome=self.outcome,
            transcript=str(self.transcript),
        )


def readable(octets: bytes) -> str:
    """`octets` as one line that can be shown anywhere."""
    text = octets.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
