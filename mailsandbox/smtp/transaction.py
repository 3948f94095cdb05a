"""One mail transaction (RFC 5321 3.3) and what may be refused in it. Pure: an answer is a reply, or None for go on."""

import re
from email.utils import parseaddr

from mailsandbox.message import Envelope, Refusal
from mailsandbox.message.content import Content
from mailsandbox.smtp.path import BadPath, Path, parse_path
from mailsandbox.smtp.policy import Policy

_PARAMETERS = {
    "FROM:": frozenset(["SIZE", "BODY", "SMTPUTF8", "AUTH", "RET", "ENVID"]),
    "TO:": frozenset(["NOTIFY", "ORCPT"]),
}
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")


def _wrong(address: str) -> str:
    """What RFC 5321 has against `address` (4.1.2, 4.5.3.1), or ""."""
    local, _, domain = address.rpartition("@")
    if address.lower() == "postmaster":
        return ""
    if not domain.startswith("[") and "." not in domain:
        return "The address needs a fully qualified domain"
    if len(local.encode()) > 64 or len(domain.encode()) > 255 or len(address.encode()) > 254:
        return "The address is longer than 64 octets before its @, 255 behind it, or 254 in all"
    return ""


class Transaction:
    """What MAIL and RCPT have said so far."""

    def __init__(self, policy: Policy, *, esmtp: bool) -> None:
        self._policy = policy
        self._esmtp = esmtp
        self.sender: Path | None = None
        self.recipients: list[Path] = []
        self.refused: list[Refusal] = []

    @property
    def reverse_path(self) -> str | None:
        return None if self.sender is None else self.sender.address

    @property
    def forward_paths(self) -> list[str]:
        return [path.address for path in self.recipients]

    def path(self, argument: str, keyword: str) -> Path | str:
        """The path behind `keyword` (FROM: or TO:), or the reply that refuses it."""
        command, code = ("MAIL", "5.1.7") if keyword == "FROM:" else ("RCPT", "5.1.3")
        try:
            path = parse_path(argument, keyword)
        except BadPath:
            return f"501 {code} Syntax: {command} {keyword}<address> [parameters]"
        if path.parameters and not self._esmtp:
            return "555 5.5.4 Parameters need EHLO"
        if path.unknown(_PARAMETERS[keyword]) is not None:
            return "555 5.5.4 Parameter not recognized"
        if self._policy.strict and (argument[len(keyword) : len(keyword) + 1] != "<" or "  " in argument):
            return f"501 {code} Syntax: {command} {keyword}<address> [parameters]"
        if self._policy.strict and path.address and (wrong := _wrong(path.address)):
            return f"553 {code} {wrong}"
        return path

    def refuse_mail(self, path: Path) -> str | None:
        """The reply that refuses `path` as the sender."""
        policy = self._policy
        size, body = path.parameter("SIZE"), path.parameter("BODY")
        if size is not None and not (size.isascii() and size.isdigit() and len(size) <= 20):
            return "501 5.5.4 SIZE takes a number"
        if size is not None and int(size) > policy.limits.message:
            return policy.words("too_large", size=policy.limits.message)
        if body is not None and body.upper() not in ("7BIT", "8BITMIME"):
            return "501 5.5.4 BODY is 7BIT or 8BITMIME"
        utf8 = path.parameter("SMTPUTF8") is not None
        if utf8 and not policy.offers("SMTPUTF8"):
            return "555 5.5.4 Parameter not recognized"
        if policy.strict and not path.address.isascii() and not utf8:
            return "553 5.6.7 An address beyond ASCII needs SMTPUTF8"
        profile = policy.profile
        if profile is not None and profile.sender_verified and profile.check != "header":
            return self._unverified(path.address)
        return None

    def _unverified(self, address: str) -> str | None:
        allowed = self._policy.may_send(address)
        return None if allowed else self._policy.words("sender_unverified", address=address)

    def refuse_rcpt(self, path: Path) -> str | None:
        """The reply that refuses `path` as a recipient."""
        if not path.address:
            return "501 5.1.3 A recipient needs an address"
        if len(self.recipients) >= self._policy.limits.recipients:
            return self._policy.words("too_many_recipients")
        if self._policy.strict and not path.address.isascii() and not self._declared("SMTPUTF8"):
            return "553 5.6.7 An address beyond ASCII needs SMTPUTF8"
        return None

    def _declared(self, parameter: str) -> bool:
        return self.sender is not None and self.sender.parameter(parameter) is not None

    def refuse_data(self, raw: bytes) -> str | None:
        """The reply that refuses the message itself: only a profile has reasons to."""
        policy = self._policy
        profile = policy.profile
        if profile is None:
            return None
        if profile.line is not None and max(map(len, raw.split(b"\r\n"))) > profile.line:
            return policy.words("line_too_long", line=profile.line)
        if profile.strict:
            if _BARE.search(raw):
                return "554 5.6.0 A bare CR or LF is no line end"
            if not raw.isascii() and not self._declared("SMTPUTF8"):
                body = self.sender.parameter("BODY") if self.sender is not None else None
                if (body or "").upper() != "8BITMIME":
                    return "554 5.6.1 8-bit data needs BODY=8BITMIME"
        if profile.sender_verified and profile.check != "envelope":
            author = Content(raw).sender
            return self._unverified(str(author) if author else parseaddr(self.reverse_path or "")[1])
        return None

    def refuse(self, address: str, reply: str) -> None:
        """Remember a recipient that was refused with `reply`."""
        first = reply.partition("\n")[0]
        self.refused.append(Refusal(address, int(first[:3]), first[4:]))

    def envelope(self) -> Envelope:
        assert self.sender is not None
        return Envelope(
            reverse_path=self.sender.address,
            recipients=tuple(path.address for path in self.recipients),
            refused=tuple(self.refused),
            parameters=self.sender.parameters,
            recipient_parameters=tuple(path.parameters for path in self.recipients),
        )
