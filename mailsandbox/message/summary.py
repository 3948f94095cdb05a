"""What a list shows of a mail: enough for one row, and none of its octets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from mailsandbox.html import collapse
from mailsandbox.message.address import Address
from mailsandbox.message.message import Message

_SNIPPET = 200
_MOST_ADDRESSES = 100


def _stored(addresses: tuple[Address, ...]) -> list[list[str]]:
    return [[str(address), address.name] for address in addresses[:_MOST_ADDRESSES]]


def _restored(stored: list[list[str]]) -> tuple[Address, ...]:
    return tuple(Address(spec, name) for spec, name in stored)


@dataclass(frozen=True)
class Summary:
    """One row of a list. `attachments` counts them; `snippet` is the beginning of what a reader sees."""

    id: int
    mailbox: str
    received_at: datetime
    size: int
    read: bool
    reverse_path: str
    recipients: tuple[str, ...]
    subject: str
    sender: Address | None
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    message_id: str
    attachments: int
    snippet: str

    @staticmethod
    def digest(message: Message) -> dict[str, Any]:
        """The part of a summary that costs reading the mail, in its stored form."""
        return {
            "subject": message.subject[:1000],
            "sender": _stored((message.sender,) if message.sender else ()),
            "to": _stored(message.to),
            "cc": _stored(message.cc),
            "bcc": _stored(message.bcc),
            "reply_to": _stored(message.reply_to),
            "message_id": message.message_id[:1000],
            "attachments": len(message.attachments),
            "snippet": collapse(message.content.visible[: 20 * _SNIPPET])[:_SNIPPET],
        }

    @classmethod
    def build(cls, *, digest: Mapping[str, Any], **stored: Any) -> Self:
        """A summary from what a store keeps beside a mail and the mail's digest."""
        sender = _restored(digest["sender"])
        return cls(
            **stored,
            subject=digest["subject"],
            sender=sender[0] if sender else None,
            to=_restored(digest["to"]),
            cc=_restored(digest["cc"]),
            bcc=_restored(digest["bcc"]),
            reply_to=_restored(digest["reply_to"]),
            message_id=digest["message_id"],
            attachments=digest["attachments"],
            snippet=digest["snippet"],
        )
