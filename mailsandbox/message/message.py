"""A captured mail: its octets, envelope and session, and what they say together."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from mailsandbox.extract import Link
from mailsandbox.message.address import Address
from mailsandbox.message.content import Attachment, Content, Defect, Header
from mailsandbox.message.envelope import Envelope, Session

_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Message:
    """One DATA command is one message, whatever its number of recipients.

    `raw` is byte-identical to what the client sent (after dot-unstuffing); nothing is added to or repaired in it. `id`
    is the store's and grows with each commit; it is 0 before the message is stored.
    """

    raw: bytes = field(repr=False)
    envelope: Envelope = field(default_factory=Envelope)
    session: Session = field(default_factory=Session)
    mailbox: str = ""
    id: int = 0
    received_at: datetime = _EPOCH
    read: bool = False

    @cached_property
    def content(self) -> Content:
        return Content(self.raw)

    @property
    def size(self) -> int:
        """Octets of `raw`."""
        return len(self.raw)

    @property
    def subject(self) -> str:
        return self.content.subject

    @property
    def sender(self) -> Address | None:
        """The author: the first mailbox of From. The envelope's sender is `envelope.reverse_path`."""
        return self.content.sender

    @property
    def to(self) -> tuple[Address, ...]:
        return self.content.to

    @property
    def cc(self) -> tuple[Address, ...]:
        return self.content.cc

    @cached_property
    def bcc(self) -> tuple[Address, ...]:
        """The envelope recipients that To and Cc do not name: those who got it unseen."""
        named = {address.key for address in (*self.to, *self.cc)}
        return tuple(a for a in map(Address, dict.fromkeys(self.envelope.recipients)) if a.key not in named)

    @property
    def reply_to(self) -> tuple[Address, ...]:
        return self.content.reply_to

    @property
    def message_id(self) -> str:
        return self.content.message_id

    @property
    def date(self) -> datetime | None:
        return self.content.date

    @property
    def headers(self) -> tuple[Header, ...]:
        return self.content.headers

    @property
    def text(self) -> str:
        return self.content.text

    @property
    def html(self) -> str:
        return self.content.html

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        return self.content.attachments

    @property
    def links(self) -> tuple[Link, ...]:
        return self.content.links

    @property
    def defects(self) -> tuple[Defect, ...]:
        """What is wrong in the mail, or with how it was sent; empty for a clean one."""
        declared = {parameter.upper() for parameter in self.envelope.parameters} & {"BODY=8BITMIME", "SMTPUTF8"}
        if declared or self.raw.isascii():
            return self.content.defects
        return (*self.content.defects, Defect("octets", "8-bit octets that MAIL did not declare with BODY=8BITMIME"))
