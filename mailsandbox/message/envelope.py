"""The envelope (RFC 5321 2.3.1) and the session that carried it, as they were on the wire.

Values only; `as_dict` and `from_dict` are their one stored form.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class Refusal:
    """A RCPT that the server did not accept, with its reply."""

    address: str
    code: int
    text: str


# `dataclasses.asdict` copies deeply, which costs more than everything else on the way to a 250; hence by hand.


@dataclass(frozen=True)
class Envelope:
    """Who sent to whom, by the SMTP commands alone.

    Addresses are as sent, without their angle brackets; `reverse_path` is "" for the null reverse-path `<>`. Parameters
    (`SIZE=10`, `BODY=8BITMIME`, `NOTIFY=NEVER`) are as sent; `recipient_parameters` has one tuple per recipient.
    """

    reverse_path: str = ""
    recipients: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    parameters: tuple[str, ...] = ()
    recipient_parameters: tuple[tuple[str, ...], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "reverse_path": self.reverse_path,
            "recipients": self.recipients,
            "refused": [vars(refusal) for refusal in self.refused],
            "parameters": self.parameters,
            "recipient_parameters": self.recipient_parameters,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            reverse_path=stored["reverse_path"],
            recipients=tuple(stored["recipients"]),
            refused=tuple(Refusal(**refusal) for refusal in stored["refused"]),
            parameters=tuple(stored["parameters"]),
            recipient_parameters=tuple(map(tuple, stored["recipient_parameters"])),
        )


@dataclass(frozen=True)
class Session:
    """The connection a mail came over: `id` is the same for all mails of one connection and no other.

    `ehlo` is the name the client gave, `esmtp` whether it gave it by EHLO, `peer` its address and port. `tls` is the
    protocol version ("" without TLS) and `cipher` its cipher; `auth` the mechanism and `user` the name of a login.
    `transcript` has the lines of the conversation that belong to the mail, without its octets and without secrets.
    """

    id: str = ""
    peer: str = ""
    ehlo: str = ""
    esmtp: bool = False
    tls: str = ""
    cipher: str = ""
    auth: str = ""
    user: str = ""
    transcript: str = field(default="", repr=False)

    def as_dict(self) -> dict[str, Any]:
        return vars(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**stored)
