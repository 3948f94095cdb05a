"""What a test holds of one mail: the message and its verbs."""

from datetime import datetime
from typing import Unpack

from mailsandbox import assertions
from mailsandbox.extract import Link
from mailsandbox.matching import Matcher, Want
from mailsandbox.message import Address, Attachment, Defect, Envelope, Message, Session


class Headers:
    """The header fields of one mail, in order; names compare without case."""

    def __init__(self, message: Message) -> None:
        self._fields = message.headers

    def __getitem__(self, name: str) -> str:
        """The first value of `name`, decoded. Raises KeyError naming the headers there are."""
        if values := self.all(name):
            return values[0]
        raise KeyError(f"no header {name!r}; the mail has {', '.join(self.keys())}")

    def get(self, name: str, default: str | None = None) -> str | None:
        return next(iter(self.all(name)), default)

    def all(self, name: str) -> list[str]:
        """Every value of `name`."""
        return [field.value for field in self._fields if field.name.lower() == name.lower()]

    def keys(self) -> list[str]:
        return [field.name for field in self._fields]

    def items(self) -> list[tuple[str, str]]:
        return [(field.name, field.value) for field in self._fields]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.all(name))

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"<Headers {dict(self.items())!r}>"


class CapturedMessage:
    """One captured mail. Lists are fresh on each access, so `message.to == ["ann@shop.test"]` reads as it should."""

    def __init__(self, message: Message) -> None:
        self._message = message

    @property
    def id(self) -> int:
        return self._message.id

    @property
    def mailbox(self) -> str:
        """The name of the mailbox it came to."""
        return self._message.mailbox

    @property
    def received_at(self) -> datetime:
        """When end-of-data was read, UTC."""
        return self._message.received_at

    @property
    def raw(self) -> bytes:
        """What the client sent in DATA, octet for octet."""
        return self._message.raw

    @property
    def size(self) -> int:
        return self._message.size

    @property
    def envelope(self) -> Envelope:
        return self._message.envelope

    @property
    def session(self) -> Session:
        return self._message.session

    @property
    def subject(self) -> str:
        return self._message.subject

    @property
    def sender(self) -> Address | None:
        """The author (From)."""
        return self._message.sender

    @property
    def to(self) -> list[Address]:
        return list(self._message.to)

    @property
    def cc(self) -> list[Address]:
        return list(self._message.cc)

    @property
    def bcc(self) -> list[Address]:
        """Envelope recipients that no header names."""
        return list(self._message.bcc)

    @property
    def recipients(self) -> list[Address]:
        """The accepted RCPTs, in order; the refused are in `envelope.refused`."""
        return list(map(Address, self._message.envelope.recipients))

    @property
    def reply_to(self) -> list[Address]:
        return list(self._message.reply_to)

    @property
    def message_id(self) -> str:
        """As sent, angle brackets included."""
        return self._message.message_id

    @property
    def date(self) -> datetime | None:
        return self._message.date

    @property
    def headers(self) -> Headers:
        return Headers(self._message)

    @property
    def text(self) -> str:
        return self._message.text

    @property
    def html(self) -> str:
        return self._message.html

    @property
    def attachments(self) -> list[Attachment]:
        return list(self._message.attachments)

    @property
    def links(self) -> list[Link]:
        return list(self._message.links)

    @property
    def defects(self) -> tuple[Defect, ...]:
        """What could not be read as it stands."""
        return self._message.defects

    def attachment(self, name: str) -> Attachment:
        """The attachment of that file name. Raises AssertionError listing those there are."""
        for attachment in self._message.attachments:
            if attachment.filename == name:
                return attachment
        there = ", ".join(repr(a.filename) for a in self._message.attachments) or "none"
        raise AssertionError(f"no attachment {name!r} in {assertions.line(self._message)}; there is: {there}")

    def check(self, **want: Unpack[Want]) -> "CapturedMessage":
        """This message, if it meets all of `want`. Raises AssertionError with every difference at once."""
        if mismatches := Matcher(want).mismatches(self._message):
            text = assertions.differences(mismatches)
            raise AssertionError(f"{assertions.line(self._message)} differs in\n{text}")
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CapturedMessage) and other._message == self._message

    def __hash__(self) -> int:
        return hash((self._message.mailbox, self._message.id))

    def __repr__(self) -> str:
        return f"<CapturedMessage {assertions.line(self._message)}>"
