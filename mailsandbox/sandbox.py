"""The running server: one loop thread, one store, and the mailboxes that open doors into it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from mailsandbox.errors import Closed, MailSandboxError
from mailsandbox.inbox import Inbox
from mailsandbox.mailbox import Mailbox
from mailsandbox.profiles import load
from mailsandbox.smtp import TLS, Auth, Authority, Limits, Policy, ServerThread, Service
from mailsandbox.store import open_store

if TYPE_CHECKING:
    from flask import Flask


class MailSandbox:
    """A capture server. `store` None keeps mail in memory, else in a SQLite file (a path or a `sqlite:///` URL).

    Runs from its construction to `close`; use it as a context manager. Raises StoreError when the store cannot be had.
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | None = None,
        host: str = "127.0.0.1",
        *,
        limits: Limits | None = None,
    ) -> None:
        self.host = host
        self.inbox = Inbox(open_store(None if store is None else os.fspath(store)))
        self._limits = limits or Limits()
        self._authority = Authority()
        self._thread = ServerThread()
        self._mailboxes: dict[str, Mailbox] = {}
        self._closed = False

    @property
    def mailboxes(self) -> tuple[Mailbox, ...]:
        """The mailboxes opened so far, closed ones included, in order."""
        return tuple(self._mailboxes.values())

    def open(
        self,
        name: str,
        port: int = 0,
        *,
        tls: TLS | str | bool | None = None,
        auth: Auth | Mapping[str, str] | bool | None = None,
        profile: str | None = None,
        tls_port: int = 0,
    ) -> Mailbox:
        """A new mailbox on its own port (0: a free one that no mailbox here has had).

        `tls`: a mode ("starttls", the default, "required", "implicit", "both", "off") or a TLS, which says what
        certificate to show; with "both", implicit TLS has `tls_port`. `auth`: None takes anybody who logs in, a mapping
        of users to passwords asks everybody to, True asks for any login, False offers none. `profile`: behave as this
        provider's server.

        Raises ListenError when a port cannot be had, BadSetting for what does not exist, MailSandboxError when the name
        is in use.
        """
        if self._closed:
            raise Closed("the sandbox is closed; make a new one")
        if name in self._mailboxes and not self._mailboxes[name].closed:
            raise MailSandboxError(f"a mailbox named {name!r} is open already; close it or choose another name")
        policy = Policy(self._limits, TLS.of(tls), Auth.of(auth), own_tls=tls is not None, own_auth=auth is not None)
        service = Service(name, self.inbox.deliver, policy, self._authority)
        if profile is not None:
            service.follow(load(profile))
        if policy.tls.mode != "off" and policy.tls.files is not None:
            service.context(policy)  # files that do not fit are said now, not at the first handshake
        mode = policy.tls.mode
        listeners = [self._thread.listen(self.host, port, service, tls=mode == "implicit")]
        if mode == "both":
            try:
                listeners.append(self._thread.listen(self.host, tls_port, service, tls=True))
            except BaseException:
                listeners[0].close()
                raise
        mailbox = Mailbox(name, self.inbox, service, listeners, self._authority)
        self._mailboxes[name] = mailbox
        return mailbox

    def close(self) -> None:
        """Close every mailbox, drop every connection and close the store; harmless when called again."""
        if self._closed:
            return
        self._closed = True
        for mailbox in self._mailboxes.values():
            mailbox.close()
        self._thread.stop()
        self.inbox.close()
        self._authority.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


@contextmanager
def capture(app: "Flask | None" = None) -> Iterator[Mailbox]:
    """A mailbox of its own server, with `app` pointed at it for the length of the block.

    For scripts, unittest and the inside of `@given`.
    """
    with MailSandbox() as sandbox:
        mailbox = sandbox.open("capture")
        if app is not None:
            mailbox.bind(app)
        yield mailbox
