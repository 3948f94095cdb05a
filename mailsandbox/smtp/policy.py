"""What one mailbox's server offers, asks for and says. Values only; the session acts on them.

Made from the mailbox's own settings and, where a test asks for one, a provider's profile. A session keeps the policy it
began with, so a change never reaches into a conversation.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

from mailsandbox.faults import Reply
from mailsandbox.profiles import Profile
from mailsandbox.smtp.auth import Auth
from mailsandbox.smtp.limits import Limits
from mailsandbox.smtp.tls import TLS

_EXTENSIONS = ("PIPELINING", "SIZE {size}", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8", "HELP")
_REPLIES = {
    "tls_required": "530 5.7.0 Must issue a STARTTLS command first",
    "auth_required": "530 5.7.0 Authentication required",
    "auth_failed": "535 5.7.8 Authentication credentials invalid",
    "sender_unverified": "550 5.7.1 {address} is not a verified sender",
    "too_large": "552 5.3.4 Message is larger than {size} octets",
    "too_many_recipients": "452 4.5.3 Too many recipients",
    "too_many_messages": "421 4.7.0 Too many messages on one connection, closing",
    "rate_exceeded": "450 4.7.1 Too many messages, try again later",
    "line_too_long": "554 5.6.0 A line is longer than {line} octets",
    "too_many_connections": "421 4.7.0 Too many connections, try again later",
    "accepted": "250 2.0.0 Ok: queued as {id}",
    "goodbye": "221 2.0.0 Bye",
}
_ENHANCED = re.compile(r"^(\d{3}[ -])[245]\.\d{1,3}\.\d{1,3} ?", re.MULTILINE)


@dataclass(frozen=True)
class Policy:
    """The rules of one server. `verified` are the addresses and domains that may send where the profile asks."""

    limits: Limits = field(default_factory=Limits)
    tls: TLS = field(default_factory=TLS)
    auth: Auth = field(default_factory=Auth)
    name: str = "mailsandbox"
    extensions: tuple[str, ...] = _EXTENSIONS
    own_tls: bool = False  # asked for in so many words, so that no profile changes it
    own_auth: bool = False
    profile: Profile | None = None
    verified: frozenset[str] | None = None

    def following(self, profile: Profile, verified: Collection[str] | None = None) -> Self:
        """This policy with whatever `profile` says in place of its own."""
        limits = replace(
            self.limits,
            message=profile.message or self.limits.message,
            recipients=profile.recipients or self.limits.recipients,
            connections=profile.connections or self.limits.connections,
            command=min(self.limits.command, 512) if profile.strict else self.limits.command,
        )
        tls, auth = self.tls, self.auth
        if profile.starttls is not None and not self.own_tls:
            tls = replace(tls, mode={"off": "off", "offered": "starttls", "required": "required"}[profile.starttls])
        if profile.mechanisms is not None and (profile.mechanisms or not self.own_auth):
            auth = replace(
                auth,
                mechanisms=profile.mechanisms,
                required=profile.auth_required or (self.own_auth and auth.required),
                before_tls=profile.auth_before_tls,  # announced; what it takes is the session's to say
            )
        return replace(
            self,
            limits=limits,
            tls=tls,
            auth=auth,
            extensions=self.extensions if profile.extensions is None else profile.extensions,
            profile=profile,
            verified=None if verified is None else frozenset(name.lower() for name in verified),
        )

    @property
    def helo_only(self) -> bool:
        return self.profile is not None and self.profile.helo_only

    @property
    def strict(self) -> bool:
        return self.profile is not None and self.profile.strict

    # Worked out once for all connections: they are part of every conversation.

    @cached_property
    def banner(self) -> str:
        banner = self.profile.banner if self.profile is not None else None
        return f"220 {banner or f'{self.name} ESMTP'}"

    @cached_property
    def host(self) -> str:
        """The name the server gives itself."""
        return self.banner.split()[1]

    @cached_property
    def _offered(self) -> frozenset[str]:
        return frozenset(keyword.partition(" ")[0] for keyword in self.extensions)

    def offers(self, extension: str) -> bool:
        """Whether the answer to EHLO names `extension`."""
        return extension in self._offered

    @cached_property
    def _greetings(self) -> dict[bool, str]:
        return {secure: self._greeting(secure=secure) for secure in (False, True)}

    def greeting(self, *, secure: bool) -> str:
        """The reply to EHLO on a connection that is `secure` by TLS or not."""
        return self._greetings[secure]

    def _greeting(self, *, secure: bool) -> str:
        found = [keyword.replace("{size}", str(self.limits.message)) for keyword in self.extensions]
        more = ["STARTTLS"] if self.tls.by_command and not secure else []
        if self.auth.mechanisms and (secure or self.auth.before_tls):
            more.append(f"AUTH {' '.join(self.auth.mechanisms)}")
        last = found.index("HELP") if "HELP" in found else len(found)
        return Reply(250, "\n".join([self.host, *found[:last], *more, *found[last:]])).lines

    def words(self, situation: str, **values: object) -> str:
        """The reply to `situation`, the provider's own where its profile has it."""
        own = self.profile.replies.get(situation) if self.profile is not None else None
        text = own or _REPLIES[situation]
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def plain(self, reply: str) -> str:
        """`reply` without enhanced status codes, for a server that does not announce them (RFC 2034 3)."""
        return _ENHANCED.sub(r"\1", reply)

    def may_send(self, address: str) -> bool:
        """Whether `address` or its domain is verified; any is where nothing was said."""
        if self.verified is None or not address:
            return True
        address = address.lower()
        return address in self.verified or address.rpartition("@")[2] in self.verified
