"""TLS for a server: how it is offered, and the certificates it shows.

The only module that knows trustme. Everything is made when it is first needed: an authority costs a tenth of a second,
and most servers never see a handshake.
"""

import ssl
import tempfile
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mailsandbox.errors import BadSetting, listed

if TYPE_CHECKING:
    from trustme import CA

MODES = ("starttls", "required", "implicit", "both", "off")
CERTIFICATES = ("valid", "wrong-host", "expired", "untrusted")
_LOCAL = ("localhost", "127.0.0.1", "::1")
ALERT = b"\x15\x03\x01\x00\x02\x02\x28"  # fatal, handshake_failure (RFC 5246 7.2)
HANDSHAKE_TIMEOUT = 30.0  # seconds a client may take
_MOST_NAMES = 256  # certificates kept for names that clients ask for


@dataclass(frozen=True)
class TLS:
    """How a mailbox speaks TLS, and what it shows.

    `mode`: "starttls" offers it, "required" asks for it before mail, "implicit" speaks it from the first octet, "both"
    offers STARTTLS and has a second port with implicit TLS, "off" has none. `certificate`: "valid" is signed by the
    sandbox's authority for whatever name the client asks for; the others are wrong in the way they say. `files` is a
    certificate chain and its key, in PEM, to show instead.
    """

    mode: str = "starttls"
    certificate: str = "valid"
    files: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise BadSetting(f"unknown TLS mode {self.mode!r}; {listed(MODES, str(self.mode))}")
        if self.certificate not in CERTIFICATES:
            raise BadSetting(f"unknown certificate {self.certificate!r}; {listed(CERTIFICATES, str(self.certificate))}")

    @classmethod
    def of(cls, given: "TLS | str | bool | None") -> "TLS":
        """`given` as it may be spelt: None or True for STARTTLS offered, False for none, or a mode's name."""
        if isinstance(given, TLS):
            return given
        if isinstance(given, str):
            return cls(given)
        return cls("off" if given is False else "starttls")

    @property
    def by_command(self) -> bool:
        """Whether STARTTLS is offered."""
        return self.mode in ("starttls", "required", "both")


class Authority:
    """A certificate authority of one sandbox, trusted by nobody who was not given its `bundle`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._contexts: dict[tuple[TLS, str], ssl.SSLContext] = {}

    @cached_property
    def _trusted(self) -> "CA":
        from trustme import CA  # imports cryptography

        return CA(organization_name="mailsandbox")

    @cached_property
    def _other(self) -> "CA":
        from trustme import CA

        return CA(organization_name="an authority nobody trusts")

    @cached_property
    def _folder(self) -> "tempfile.TemporaryDirectory[str]":
        return tempfile.TemporaryDirectory(prefix="mailsandbox-ca-", ignore_cleanup_errors=True)

    @cached_property
    def bundle(self) -> str:
        """The path of the authority's certificate in PEM, for a client that wants to verify."""
        with self._lock:
            path = Path(self._folder.name) / "ca.pem"
            self._trusted.cert_pem.write_to_path(str(path))
            return str(path)

    def context(self, tls: TLS, name: str = "") -> ssl.SSLContext:
        """The server's context for a client that asks for `name` ("": does not say). Raises BadSetting."""
        with self._lock:
            known = self._contexts.get((tls, name))
            if known is None:
                known = self._made(tls, name)
                if len(self._contexts) < _MOST_NAMES:
                    self._contexts[tls, name] = known
            return known

    def _made(self, tls: TLS, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if tls.files is not None:
            try:
                context.load_cert_chain(*tls.files)
            except OSError as error:  # ssl.SSLError is one
                raise BadSetting(
                    f"cannot use the certificate {tls.files[0]} with the key {tls.files[1]}: {error}"
                ) from error
            return context
        names = (name,) if name else _LOCAL
        if tls.certificate == "wrong-host":
            names = ("wrong-host.invalid",)
        issuer = self._other if tls.certificate == "untrusted" else self._trusted
        today = datetime.now(UTC)
        until = today - timedelta(days=1) if tls.certificate == "expired" else today + timedelta(days=365)
        leaf = issuer.issue_cert(*names, not_before=today - timedelta(days=30), not_after=until)
        leaf.configure_cert(context)
        if not name:
            context.sni_callback = lambda connection, asked, _: self._named(tls, connection, asked)
        return context

    def _named(self, tls: TLS, connection: ssl.SSLObject, asked: str | None) -> None:
        """Show a certificate for the name in the client's hello (RFC 6066 3); for an impossible one, the default."""
        if not asked or len(asked) > 253 or tls.certificate == "wrong-host":
            return
        try:
            connection.context = self.context(tls, asked)
        except Exception:  # a name that no certificate can have; the client will say what it thinks of the default
            return

    def close(self) -> None:
        """Remove the files that were made."""
        if "_folder" in self.__dict__:
            self._folder.cleanup()
