"""A captured mail as values: what was sent (raw), to whom (envelope), how (session), and what it says.

Owns the reading of mail. Every value is frozen; reading is lazy, total and never raises; nothing here does I/O or knows
SMTP, a store or Flask.
"""

from mailsandbox.message.address import Address
from mailsandbox.message.content import Attachment, Content, Defect, Header
from mailsandbox.message.envelope import Envelope, Refusal, Session
from mailsandbox.message.message import Message
from mailsandbox.message.summary import Summary

__all__ = [
    "Address",
    "Attachment",
    "Content",
    "Defect",
    "Envelope",
    "Header",
    "Message",
    "Refusal",
    "Session",
    "Summary",
]
