"""Scripted failures: what a server does instead of answering, when, and to whom.

Owns the stages of a conversation, the actions, the faults (an action with its stage, its match and its count) and the
script that decides. Pure: it knows no socket and no clock, so the same script gives the same conversation every time;
chance exists only where a fault names a seed.
"""

import random
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mailsandbox.errors import BadFault, listed


class Stage(StrEnum):
    """Where in a conversation a fault can stand: before the banner, at a command, or at the end of data (MESSAGE)."""

    CONNECT = "CONNECT"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    MESSAGE = "MESSAGE"
    QUIT = "QUIT"

    @classmethod
    def named(cls, name: "str | Stage") -> "Stage":
        """The stage called `name`, in any case. Raises BadFault."""
        try:
            return cls(name.upper() if isinstance(name, str) else name)
        except (ValueError, AttributeError):
            raise BadFault(f"unknown stage {name!r}; {listed([stage.value for stage in cls], str(name))}") from None


# At these a sender is known, and from RCPT on a recipient.
_SENDER_KNOWN = frozenset([Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE])
_RECIPIENT_KNOWN = frozenset([Stage.RCPT, Stage.DATA, Stage.MESSAGE])


@dataclass(frozen=True)
class Reply:
    """Answer `code` and `text` instead, its lines separated by newlines; 421 also closes (RFC 5321 4.2.1)."""

    code: int
    text: str

    @property
    def lines(self) -> str:
        parts = self.text.split("\n")
        marks = ["-"] * (len(parts) - 1) + [" "]
        return "\n".join(f"{self.code}{mark}{part}" for mark, part in zip(marks, parts, strict=True))


@dataclass(frozen=True)
class Drop:
    """Reset the connection without a reply; at DATA after that many octets of the message."""

    after_bytes: int | None = None


@dataclass(frozen=True)
class Hang:
    """Never answer; the connection stays open until the client leaves."""


@dataclass(frozen=True)
class Delay:
    """Answer as usual, but so many seconds later."""

    seconds: float


@dataclass(frozen=True)
class Throttle:
    """Take no more than so many octets a second for the rest of the connection."""

    octets_per_second: float


@dataclass(frozen=True)
class FailTLS:
    """Agree to TLS and break its handshake with an alert."""


@dataclass(frozen=True)
class StoreThenDrop:
    """Keep the message and reset the connection, so that the client never hears its 250."""


Action = Reply | Drop | Hang | Delay | Throttle | FailTLS | StoreThenDrop
Match = str | re.Pattern[str] | Callable[[str], object] | None


@dataclass(frozen=True)
class Fault:
    """An action, and when it is due: at `stage`, for this sender and recipient, from the `after`-th time on, at every
    `every`-th, at most `times` (None: always).

    With `chance`, each time it is due it acts with that probability, by a generator seeded with `seed`. An `optional`
    fault may stay unused in a strict test. Raises BadFault for what could never act.
    """

    stage: Stage
    action: Action
    to: Match = None
    sender: Match = None
    times: int | None = None
    after: int = 0
    every: int = 1
    optional: bool = False
    chance: float | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        _check_action(self.stage, self.action)
        if self.to is not None and self.stage not in _RECIPIENT_KNOWN:
            raise BadFault(f"at {self.stage} no recipient is known yet; `to` works at {_spelt(_RECIPIENT_KNOWN)}")
        if self.sender is not None and self.stage not in _SENDER_KNOWN:
            raise BadFault(f"at {self.stage} no sender is known yet; `sender` works at {_spelt(_SENDER_KNOWN)}")
        if self.times is not None and self.times < 1:
            raise BadFault(f"times={self.times} would never act; give 1 or more, or None for always")
        if self.after < 0 or self.every < 1:
            raise BadFault(f"after={self.after}, every={self.every} would never act; give after >= 0 and every >= 1")
        if (self.chance is None) != (self.seed is None):
            raise BadFault("chance and seed go together: a fault that is rolled must be rolled the same way again")
        if self.chance is not None and not 0 < self.chance <= 1:
            raise BadFault(f"chance={self.chance} would never act; give more than 0 and at most 1")

    def __str__(self) -> str:
        limits = {"to": self.to, "sender": self.sender, "times": self.times}
        said = "".join(f", {name}={value!r}" for name, value in limits.items() if value is not None)
        said += f", after={self.after}" * bool(self.after) + f", every={self.every}" * (self.every != 1)
        return f"{self.stage}: {self.action}{said}"


def _spelt(stages: frozenset[Stage]) -> str:
    return ", ".join(stage.value for stage in Stage if stage in stages)


def _check_action(stage: Stage, action: Action) -> None:
    match action:
        case Reply(code, text):
            if not (isinstance(code, int) and 200 <= code <= 599):
                raise BadFault(f"a reply code has three digits from 200 to 599 (RFC 5321 4.2.1), not {code!r}")
            if code < 400 and stage in (Stage.STARTTLS, Stage.AUTH):
                raise BadFault(f"{stage} cannot be answered positively by a script: the exchange itself has to follow")
            if "\r" in text or any(not line.isprintable() for line in text.split("\n")):
                raise BadFault(f"a reply's text must be printable; give several lines separated by \\n, not {text!r}")
        case Drop(after_bytes) if after_bytes is not None:
            if stage is not Stage.DATA or after_bytes < 0:
                raise BadFault("after_bytes counts octets of a message: give it with the stage DATA, 0 or more")
        case Delay(seconds) if not 0 <= seconds < 86_400:
            raise BadFault(f"a delay of {seconds!r} seconds is none; give 0 or more, and less than a day")
        case Throttle(rate) if not rate > 0:
            raise BadFault(f"{rate!r} octets a second would never end; give more than 0")
        case FailTLS() if stage is not Stage.STARTTLS:
            raise BadFault(f"a TLS handshake fails at STARTTLS, not at {stage}")
        case StoreThenDrop() if stage is not Stage.MESSAGE:
            raise BadFault(f"a message is stored at MESSAGE, not at {stage}")


@dataclass
class Rule:
    """A fault in a script, and how it fared: `seen` times it matched, `fired` times it acted. `lift` ends it."""

    fault: Fault
    seen: int = 0
    fired: int = 0
    lifted: bool = False
    _dice: random.Random | None = field(default=None, repr=False)

    def lift(self) -> None:
        """From now on this rule is not there."""
        self.lifted = True

    def __str__(self) -> str:
        return f"{self.fault} (met {self.seen} times, acted {self.fired} times)"

    def _met(self) -> bool:
        """Count one more occasion; whether the rule is due at it."""
        self.seen += 1
        fault = self.fault
        past = self.seen - fault.after - 1
        return past >= 0 and past % fault.every == 0 and (fault.times is None or self.fired < fault.times)

    def _acts(self) -> bool:
        """Whether the rule, being due, acts; only chance can still hold it back."""
        chance = self.fault.chance
        acts = self._dice is None or chance is None or self._dice.random() < chance
        self.fired += acts
        return acts


class FaultScript:
    """The rules of one server, in the order they were given. The first that is due decides; the others wait."""

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._rules: tuple[Rule, ...] = ()
        self.stages: frozenset[Stage] = frozenset()  # those with a rule
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> Rule:
        """Append `fault`; its rule tells how it fares and can be lifted."""
        rule = Rule(fault, _dice=None if fault.seed is None else random.Random(fault.seed))
        with self._lock:
            self._rules = (*self._rules, rule)
            self.stages |= {fault.stage}
        return rule

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self._rules

    @property
    def unused(self) -> tuple[Rule, ...]:
        """The rules that never acted and were not optional: in a strict test, each is a mistake."""
        return tuple(rule for rule in self._rules if not rule.fired and not rule.fault.optional)

    def decide(
        self,
        stage: Stage,
        *,
        sender: str | None = None,
        recipients: Sequence[str] = (),
        without: type[Action] | tuple[type[Action], ...] = (),
    ) -> Action | None:
        """What to do at `stage` instead of going on; None lets it through. Actions of the kinds `without` stand aside.

        Every rule counts what it matches, whether or not an earlier one acts.
        """
        if stage not in self.stages:  # the common case, without the lock
            return None
        action: Action | None = None
        with self._lock:
            for rule in self._rules:
                fault = rule.fault
                if rule.lifted or fault.stage is not stage or isinstance(fault.action, without):
                    continue
                if not _matches(fault, sender, recipients):
                    continue
                if rule._met() and action is None and rule._acts():
                    action = fault.action
        return action


def _matches(fault: Fault, sender: str | None, recipients: Sequence[str]) -> bool:
    if fault.sender is not None and not _meets(fault.sender, sender or ""):
        return False
    return fault.to is None or any(_meets(fault.to, recipient) for recipient in recipients)


def _meets(match: Any, address: str) -> bool:
    """A string is an address, its domain in any case; a pattern searches; a callable is a predicate."""
    if isinstance(match, re.Pattern):
        return match.search(address) is not None
    if callable(match):
        return bool(match(address))
    return _key(str(match)) == _key(address)


def _key(address: str) -> str:
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{domain.lower()}"
