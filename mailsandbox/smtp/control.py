"""What a test may ask of its mailbox's server: faults, holds, a provider's profile, and evidence."""

from collections.abc import Callable, Collection, Sequence
from typing import TypedDict, Unpack

from mailsandbox import profiles
from mailsandbox.errors import BadFault
from mailsandbox.faults import (
    Action,
    Delay,
    Drop,
    FailTLS,
    Fault,
    FaultScript,
    Hang,
    Match,
    Reply,
    Rule,
    Stage,
    StoreThenDrop,
    Throttle,
)
from mailsandbox.smtp.hold import Hold
from mailsandbox.smtp.record import Connection
from mailsandbox.smtp.server import Listener
from mailsandbox.smtp.service import Service


class Occasion(TypedDict, total=False):
    """When a fault is due: see `mailsandbox.faults.Fault`."""

    to: Match
    sender: Match
    times: int | None
    after: int
    every: int
    optional: bool
    chance: float | None
    seed: int | None


class Control:
    """The server's side of one mailbox.

    Every verb adds a rule to the script and returns it: it tells how often it acted, and `lift` ends it. Each takes the
    occasion as keywords: `to`, `sender` (an address, a pattern or a predicate), `times` (None: always), `after`,
    `every`, `optional`. Raises BadFault for what could never happen.
    """

    def __init__(self, service: Service, listeners: Sequence[Listener], timeout: Callable[[], float]) -> None:
        self._service = service
        self._listeners = listeners
        self._timeout = timeout

    # Faults ------------------------------------------------------------------------------------------------------

    def _add(self, stage: str | Stage, action: Action, when: Occasion) -> Rule:
        return self.script.add(Fault(Stage.named(stage), action, **when))

    def add(self, fault: Fault) -> Rule:
        """Append a fault made elsewhere, by a Hypothesis strategy for one."""
        return self.script.add(fault)

    def reply(self, stage: str, code: int, text: str, **when: Unpack[Occasion]) -> Rule:
        """Answer `code` and `text` (lines separated by newlines) at `stage`.

        A positive code lets the command take effect in other words; a negative one refuses it; 421 closes as well.
        """
        return self._add(stage, Reply(code, text), when)

    def drop(self, stage: str, *, after_bytes: int | None = None, **when: Unpack[Occasion]) -> Rule:
        """Reset the connection at `stage`; at DATA, after that many octets of the message."""
        return self._add(stage, Drop(after_bytes), when)

    def hang(self, stage: str, **when: Unpack[Occasion]) -> Rule:
        """Never answer at `stage`."""
        return self._add(stage, Hang(), when)

    def delay(self, stage: str, seconds: float, **when: Unpack[Occasion]) -> Rule:
        """Answer at `stage`, but later."""
        return self._add(stage, Delay(seconds), when)

    def throttle(self, octets_per_second: float, stage: str = "CONNECT", **when: Unpack[Occasion]) -> Rule:
        """Read slowly, from `stage` on to the end of the connection."""
        return self._add(stage, Throttle(octets_per_second), when)

    def fail_tls(self, **when: Unpack[Occasion]) -> Rule:
        """Break the TLS handshake, of STARTTLS or of an implicit-TLS port."""
        return self._add(Stage.STARTTLS, FailTLS(), when)

    def store_then_drop(self, **when: Unpack[Occasion]) -> Rule:
        """Keep the message, but let the client never hear its 250."""
        return self._add(Stage.MESSAGE, StoreThenDrop(), when)

    def refuse(self, **when: Unpack[Occasion]) -> Rule:
        """Refuse connections, as a server does that is not there.

        Without a limit the system itself refuses them, which nobody can count: the rule counts as used. With `times`,
        `after`, `every` or `chance` connections are taken and reset instead; on an implicit-TLS port, after the
        handshake.
        """
        if set(when) - {"optional"}:
            return self._add(Stage.CONNECT, Drop(), when)
        rule = _Refusal(Fault(Stage.CONNECT, Drop(), optional=True), self._listeners)
        for listener in self._listeners:
            listener.refuse()
        return rule

    def hold(self, stage: str = "MESSAGE", *, timeout: float | None = None) -> Hold:
        """A context manager: what reaches `stage` (CONNECT, RCPT or MESSAGE) is answered only after the block.

        It proves that a request does not wait for its mail. Raises AssertionError at the end of a block that did wait,
        naming the line: at once for a synchronous sender, after `timeout` seconds for any other.
        """
        where = Stage.named(stage)
        if where not in (Stage.CONNECT, Stage.RCPT, Stage.MESSAGE):
            raise BadFault(f"{where} cannot be held; use one of: CONNECT, RCPT, MESSAGE")
        return Hold(where, self._timeout() if timeout is None else timeout, self._service.holds)

    # Profiles ----------------------------------------------------------------------------------------------------

    def use(self, profile: str, *, verified: Collection[str] | None = None) -> None:
        """Behave as a provider's server from the next connection on.

        `verified` are the senders (addresses or domains) that the provider knows, where it asks; None: all. Raises
        BadSetting for a profile that is none.
        """
        self._service.follow(profiles.load(profile), verified)

    # Evidence ----------------------------------------------------------------------------------------------------

    @property
    def script(self) -> FaultScript:
        return self._service.script

    @property
    def connections(self) -> tuple[Connection, ...]:
        """One record for each connection so far, in order."""
        for listener in self._listeners:
            listener.settle()
        return tuple(record.shown() for record in self._service.records())

    @property
    def transcript(self) -> str:
        """Every conversation so far, one after the other."""
        return "\n\n".join(f"{connection!r}\n{connection.transcript}" for connection in self.connections)


class _Refusal(Rule):
    """Connections refused by the system until the rule is lifted."""

    def __init__(self, fault: Fault, listeners: Sequence[Listener]) -> None:
        super().__init__(fault, fired=1)
        self._listeners = listeners

    def lift(self) -> None:
        if not self.lifted:
            super().lift()
            for listener in self._listeners:
                listener.accept()
