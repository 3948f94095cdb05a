"""What an expectation wants of a mail, and where a mail differs from it.

`Matcher.matches(m)` is `not mismatches(m)`, so matching and explaining cannot disagree. Criteria are declared once, in
the table at the end. Pure; knows messages and nothing that holds them.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any, TypedDict

from mailsandbox.errors import UnknownCriterion, listed
from mailsandbox.html import collapse, visible_text
from mailsandbox.message import Address, Message
from mailsandbox.message.address import parse_address


class Want(TypedDict, total=False):
    """The criteria. Each takes a value, a `re.Pattern` (searched), a predicate, or anything with a fitting `==`."""

    subject: Any
    sender: Any
    to: Any
    cc: Any
    bcc: Any
    recipient: Any
    envelope_from: Any
    reply_to: Any
    text: Any
    html: Any
    body: Any
    header: Any
    attachment: Any
    link: Any
    where: Callable[[Message], object]


@dataclass(frozen=True)
class Mismatch:
    """One criterion that a message does not meet: what was wanted and what the message has, as shown to a person."""

    criterion: str
    expected: str
    got: str


class Matcher:
    """All criteria of one expectation. Raises UnknownCriterion for a name that is none, listing those there are."""

    def __init__(self, want: Mapping[str, Any]) -> None:
        for name in want:
            if name not in CRITERIA:
                raise UnknownCriterion(f"unknown criterion {name!r}; {listed(CRITERIA, name)}")
        self.want = dict(want)

    def mismatches(self, message: Message) -> tuple[Mismatch, ...]:
        """Every way in which `message` is not what is wanted; empty when it is."""
        found = (CRITERIA[name](name, expected, message) for name, expected in self.want.items())
        return tuple(mismatch for mismatch in found if mismatch is not None)

    def matches(self, message: Message) -> bool:
        return not self.mismatches(message)

    def __str__(self) -> str:
        return ", ".join(f"{name}={shown(value)}" for name, value in self.want.items())


def shown(value: object) -> str:
    """`value` as a failure text shows it."""
    if isinstance(value, re.Pattern):
        return f"re.compile({value.pattern!r})"
    if callable(value) and not isinstance(value, type):
        return getattr(value, "__name__", "") or repr(value)
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:297]}..."


Criterion = Callable[[str, Any, Message], Mismatch | None]


def _verdict(met: object, name: str, expected: object, got: object) -> Mismatch | None:
    return None if met else Mismatch(name, shown(expected), shown(got))


def _plain(read: Callable[[Message], str]) -> Criterion:
    """A single string: equality."""

    def judge(name: str, expected: Any, message: Message) -> Mismatch | None:
        got = read(message)
        return _verdict(_equals(expected, got), name, expected, got)

    return judge


def _equals(expected: Any, got: Any) -> bool:
    if isinstance(expected, re.Pattern):
        return isinstance(got, str) and expected.search(got) is not None
    if callable(expected) and not isinstance(expected, type):
        return bool(expected(got))
    return bool(expected == got)


def _same_address(expected: str, got: Address) -> bool:
    """By addr-spec; a display name counts when the expectation has one."""
    wanted = parse_address(expected)
    return wanted.key == got.key and wanted.name in ("", got.name)


def _addresses(read: Callable[[Message], Iterable[Address]]) -> Criterion:
    """Several addresses: a string or pattern must be met by one of them; a set by all, in any order."""

    def judge(name: str, expected: Any, message: Message) -> Mismatch | None:
        got = list(read(message))
        if isinstance(expected, str):
            met = any(_same_address(expected, address) for address in got)
        elif isinstance(expected, re.Pattern):
            met = any(expected.search(address.full) for address in got)
        elif isinstance(expected, (set, frozenset)):
            met = {Address(a).key for a in expected} == {address.key for address in got}
        elif isinstance(expected, (list, tuple)):
            met = [Address(a).key for a in expected] == [address.key for address in got]
        else:
            met = _equals(expected, got)
        return _verdict(met, name, expected, [address.full for address in got])

    return judge


def _address(read: Callable[[Message], Address | None]) -> Criterion:
    """One address or none."""

    def judge(name: str, expected: Any, message: Message) -> Mismatch | None:
        got = read(message)
        if isinstance(expected, str) and expected:
            met = got is not None and _same_address(expected, got)
        elif isinstance(expected, re.Pattern):
            met = got is not None and expected.search(got.full) is not None
        else:
            met = _equals(expected, got)
        return _verdict(met, name, expected, None if got is None else got.full)

    return judge


def _content(read: Callable[[Message], Sequence[str]]) -> Criterion:
    """Running text: a string must be contained, white space collapsed and entities decoded."""

    def judge(name: str, expected: Any, message: Message) -> Mismatch | None:
        texts = read(message)
        if isinstance(expected, str):
            wanted = collapse(unescape(expected))
            met = any(wanted in collapse(unescape(text)) for text in texts)
        else:
            met = any(_equals(expected, text) for text in texts)
        return _verdict(met, name, expected, collapse(texts[-1]) if texts else "")

    return judge


def _header(name: str, expected: Any, message: Message) -> Mismatch | None:
    """A header's name, or a mapping of names to values; a value of None means that there is no such header."""
    wanted = expected if isinstance(expected, Mapping) else {expected: lambda value: True}
    for header, value in wanted.items():
        if not isinstance(header, str):
            raise UnknownCriterion(f"header= takes a name or a mapping of names to values, not {expected!r}")
        got = [h.value for h in message.headers if h.name.lower() == header.lower()]
        met = not got if value is None else any(_equals(value, one) for one in got)
        if not met:
            shown_got = f"{header}: {', '.join(got)}" if got else f"no header {header}"
            return Mismatch(f"header {header}", shown(value) if expected is wanted else "present", shown_got)
    return None


def _attachment(name: str, expected: Any, message: Message) -> Mismatch | None:
    """A file name, a pattern for one, or a predicate over the attachment."""
    names = [attachment.filename for attachment in message.attachments]
    if callable(expected) and not isinstance(expected, type):
        met = any(expected(attachment) for attachment in message.attachments)
    elif isinstance(expected, (list, tuple)):
        met = list(expected) == names
    else:
        met = any(_equals(expected, filename) for filename in names)
    return _verdict(met, name, expected, names)


def _link(name: str, expected: Any, message: Message) -> Mismatch | None:
    """A link's visible text or target, a pattern for either, or a predicate over the link."""
    links = message.links
    if callable(expected) and not isinstance(expected, type):
        met = any(expected(link) for link in links)
    elif isinstance(expected, str):
        met = any(expected == link.href or collapse(expected) == link.text for link in links)
    else:
        met = any(_equals(expected, link.href) or _equals(expected, link.text) for link in links)
    return _verdict(met, name, expected, [str(link) for link in links])


def _where(name: str, expected: Any, message: Message) -> Mismatch | None:
    if not callable(expected):
        raise UnknownCriterion(f"where= takes a function of the message, not {expected!r}")
    got = expected(message)
    return None if got else Mismatch(name, f"{shown(expected)}(message) to be true", repr(got))


def _html(message: Message) -> tuple[str, ...]:
    return (message.html, visible_text(message.html))


CRITERIA: Mapping[str, Criterion] = {
    "subject": _plain(lambda message: message.subject),
    "sender": _address(lambda message: message.sender),
    "to": _addresses(lambda message: message.to),
    "cc": _addresses(lambda message: message.cc),
    "bcc": _addresses(lambda message: message.bcc),
    "recipient": _addresses(lambda message: map(Address, message.envelope.recipients)),
    "envelope_from": _address(lambda message: Address(message.envelope.reverse_path)),
    "reply_to": _addresses(lambda message: message.reply_to),
    "text": _content(lambda message: (message.text,)),
    "html": _content(_html),
    "body": _content(lambda message: (message.text, *_html(message))),
    "header": _header,
    "attachment": _attachment,
    "link": _link,
    "where": _where,
}
