"""Who may log in (RFC 4954), and by which mechanism. Values and comparisons; the exchange itself is the session's."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from mailsandbox.errors import BadSetting, listed

MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5")


@dataclass(frozen=True)
class Auth:
    """What AUTH a server offers. `users` maps names to passwords; None takes anybody with any password.

    `required` refuses mail from who has not logged in; `before_tls` False hides AUTH until TLS is up. An empty
    `mechanisms` offers no AUTH at all. Raises BadSetting for a mechanism that is none.
    """

    users: Mapping[str, str] | None = None
    required: bool = False
    before_tls: bool = True
    mechanisms: tuple[str, ...] = MECHANISMS

    def __post_init__(self) -> None:
        for name in self.mechanisms:
            if name not in MECHANISMS:
                raise BadSetting(f"unknown AUTH mechanism {name!r}; {listed(MECHANISMS, name)}")
        if self.required and not self.mechanisms:
            raise BadSetting("auth is required, but no mechanism is offered; give at least one")

    @classmethod
    def of(cls, given: "Auth | Mapping[str, str] | bool | None") -> "Auth":
        """`given` as it may be spelt: None offers AUTH to anybody, a mapping of users requires it, False hides it."""
        if given is None:
            return cls()
        if isinstance(given, Auth):
            return given
        if given is False:
            return cls(mechanisms=())
        if given is True:
            return cls(required=True)
        if isinstance(given, Mapping):
            return cls(users=dict(given), required=True)
        raise BadSetting(f"auth={given!r}: give a mapping of users to passwords, True, False or an Auth")

    def accepts(self, user: bytes, password: bytes) -> bool:
        """Whether this user has this password. Takes as long for a user that does not exist."""
        if self.users is None:
            return True
        known = self.users.get(user.decode("utf-8", "replace"))
        right = hmac.compare_digest((known or "").encode(), password)
        return right and known is not None

    def accepts_digest(self, user: bytes, challenge: bytes, digest: bytes) -> bool:
        """Whether `digest` is what RFC 2195 makes of the user's password and `challenge`."""
        if self.users is None:
            return True
        known = self.users.get(user.decode("utf-8", "replace"))
        expected = hmac.new((known or "").encode(), challenge, hashlib.md5).hexdigest().encode()
        right = hmac.compare_digest(expected, digest.lower())
        return right and known is not None
