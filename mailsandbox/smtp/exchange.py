"""The AUTH exchange (RFC 4954): challenges, answers, and whether they are right.

aiosmtpd's exchanges for PLAIN and LOGIN serve as they are; what they read and write goes through the connection, so
that answers are bounded and never reach a transcript.
"""

import base64
import binascii
import secrets
from typing import Any

from aiosmtpd.smtp import MISSING, AuthResult, LoginPassword

from mailsandbox.smtp.auth import Auth
from mailsandbox.smtp.connection import SMTPConnection

# Names of aiosmtpd 1.4.6 that it does not document and we replace. A test sees to it that they are still there.
AIOSMTPD_PRIVATE = ("_authenticate",)


class SMTPExchange(SMTPConnection):
    """A connection that can ask who is there."""

    _auth: Auth

    async def exchange(self, auth: Auth, mechanism: str, words: list[str]) -> AuthResult:
        """One exchange by `mechanism`, its initial response in `words`; `auth_data` of the result is the user's name.

        What the client did against the rules has been answered where the result says `handled`.
        """
        self._auth = auth
        by_name = {"PLAIN": self.auth_PLAIN, "LOGIN": self.auth_LOGIN, "CRAM-MD5": self.auth_CRAM__MD5}
        return await by_name[mechanism](None, words)

    async def auth_CRAM__MD5(self, _: Any, words: list[str]) -> AuthResult:
        """RFC 2195."""
        if len(words) > 1:
            self.reply("501 5.7.0 CRAM-MD5 has no initial response")
            return AuthResult(success=False)
        challenge = f"<{secrets.token_hex(8)}@localhost>".encode()
        answer = await self.challenge_auth(challenge)
        if not isinstance(answer, bytes):
            return AuthResult(success=False)
        user, _, digest = answer.rpartition(b" ")
        return AuthResult(success=self._auth.accepts_digest(user, challenge, digest), handled=False, auth_data=user)

    def _authenticate(self, mechanism: str, auth_data: LoginPassword) -> AuthResult:
        good = self._auth.accepts(auth_data.login, auth_data.password)
        return AuthResult(success=good, handled=False, auth_data=auth_data.login)

    async def push(self, status: str | bytes) -> None:
        """How aiosmtpd's exchanges answer."""
        self.reply(status if isinstance(status, str) else status.decode("ascii", "replace"))

    async def challenge_auth(
        self, challenge: str | bytes, encode_to_b64: bool = True, log_client_response: bool = False
    ) -> Any:
        """Send one challenge; the decoded answer, or MISSING once the refusal has been said (RFC 4954 4)."""
        octets = challenge.encode() if isinstance(challenge, str) else challenge
        self.reply(f"334 {(base64.b64encode(octets) if encode_to_b64 else octets).decode('ascii')}")
        try:
            answer = (await self.ask(self.limits.auth)).strip()
        except ValueError:
            self.note("*** (too long)", "C")
            self.reply("500 5.5.6 Authentication exchange line is too long")
            return MISSING
        self.note("***", "C")
        if answer == b"*":
            self.reply("501 5.7.0 Authentication cancelled")
            return MISSING
        try:
            return base64.b64decode(answer, validate=True)
        except binascii.Error:
            self.reply("501 5.5.2 That is not base64")
            return MISSING
