"""What all sessions of one mailbox share: its policy, its script, its evidence, and where its messages go."""

import ssl
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import TYPE_CHECKING

from mailsandbox.clock import monotonic
from mailsandbox.faults import FaultScript, Stage
from mailsandbox.message import Message
from mailsandbox.profiles import Profile
from mailsandbox.smtp.hold import Hold
from mailsandbox.smtp.policy import Policy
from mailsandbox.smtp.record import Record
from mailsandbox.smtp.tls import Authority

if TYPE_CHECKING:
    from mailsandbox.smtp.session import SMTPSession

Deliver = Callable[[Message], Future[int]]


class Service:
    """One mailbox as its sessions see it. `policy` may be replaced whole; a session keeps the one it began with."""

    def __init__(self, mailbox: str, deliver: Deliver, policy: Policy, authority: Authority) -> None:
        self.mailbox = mailbox
        self.deliver = deliver
        self.base = self.policy = policy
        self.script = FaultScript()
        self.sessions: set[SMTPSession] = set()
        self.holds: list[Hold] = []
        self._authority = authority
        self._ended: deque[Record] = deque(maxlen=policy.limits.records)
        self._accepted: deque[float] = deque()

    def context(self, policy: Policy) -> ssl.SSLContext:
        """The TLS context of this mailbox. Takes a moment when it is first asked for."""
        return self._authority.context(policy.tls)

    def records(self) -> list[Record]:
        """Every connection that is told about, in the order they came."""
        found = {session.record.number: session.record for session in set(self.sessions)}
        found |= {record.number: record for record in list(self._ended)}
        return [found[number] for number in sorted(found)]

    def enter(self, session: "SMTPSession") -> None:
        self.sessions.add(session)

    def leave(self, session: "SMTPSession") -> None:
        if session in self.sessions:
            self._ended.append(session.record)
            self.sessions.discard(session)

    def forget(self) -> None:
        """Let go of the evidence of connections that are over."""
        self._ended.clear()

    def follow(self, profile: Profile, verified: Collection[str] | None = None) -> None:
        """Behave as `profile` says from the next connection on, whatever was said before."""
        self._accepted.clear()
        self.policy = self.base.following(profile, verified)

    def interferes(self, stage: Stage) -> bool:
        """Whether a hold or the script may have something to say at `stage`."""
        return stage in self.script.stages or bool(self.holds)

    def holding(self, stage: Stage) -> list[Hold]:
        """The holds at `stage`."""
        return [hold for hold in self.holds if hold.stage is stage]

    def within_rate(self, policy: Policy) -> bool:
        """Count one more message against the profile's sending rate; whether it may be sent."""
        if policy.profile is None or policy.profile.rate is None:
            return True
        messages, seconds = policy.profile.rate
        now = monotonic()
        while self._accepted and self._accepted[0] <= now - seconds:
            self._accepted.popleft()
        if len(self._accepted) >= messages:
            return False
        self._accepted.append(now)
        return True
