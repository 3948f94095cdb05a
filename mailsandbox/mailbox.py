"""What a test holds: queries and expectations over the mail of one door."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Unpack, overload

from mailsandbox import assertions
from mailsandbox.captured import CapturedMessage
from mailsandbox.clock import monotonic
from mailsandbox.errors import Closed
from mailsandbox.flask.binding import Binding
from mailsandbox.inbox import Inbox
from mailsandbox.matching import Matcher, Want
from mailsandbox.message import Message
from mailsandbox.smtp import Authority, Control, Listener, Service

if TYPE_CHECKING:
    from flask import Flask


class Mailbox(Sequence[CapturedMessage]):
    """One door into a sandbox, with its own port and its own mail, oldest first.

    Criteria (`**want`) are those of `mailsandbox.matching.Want`. A `timeout` is in seconds; where it is None, `wait`
    waits up to `self.timeout` and the others look at what is there: mail that was sent synchronously is. `smtp` is the
    server's side: faults, holds, profiles, connections.
    """

    timeout = 5.0

    def __init__(
        self, name: str, inbox: Inbox, service: Service, listeners: Sequence[Listener], authority: Authority
    ) -> None:
        self.name = name
        self.host: str = listeners[0].host
        self.port: int = listeners[0].port
        self.tls_port: int | None = listeners[1].port if len(listeners) > 1 else None
        self.smtp = Control(service, listeners, lambda: self.timeout)
        self.closed = False
        self._service = service
        self._authority = authority
        self._inbox = inbox
        self._listeners = listeners
        self._bindings: list[Binding] = []
        # What came before this mailbox opened, in an earlier run over the same file, is not its mail.
        self._opened_at = inbox.newest()

    # Pointing a sender here --------------------------------------------------------------------------------------

    @property
    def mail_config(self) -> dict[str, Any]:
        """Flask-Mail's settings for this mailbox, for `app.config.update()` before the extension is initialised."""
        policy = self._service.policy
        user, password = next(iter((policy.auth.users or {}).items()), (None, None))
        if policy.auth.required and user is None:
            user, password = "user", "password"  # anybody may log in, and somebody has to
        return {
            "MAIL_SERVER": self.host,
            "MAIL_PORT": self.port,
            "MAIL_USE_TLS": policy.tls.mode == "required",
            "MAIL_USE_SSL": policy.tls.mode == "implicit",
            "MAIL_USERNAME": user,
            "MAIL_PASSWORD": password,
            "MAIL_SUPPRESS_SEND": False,
        }

    @property
    def ca_bundle(self) -> str:
        """The path of the authority, in PEM, that a client has to trust to verify this mailbox's certificate."""
        return self._authority.bundle

    def bind(self, app: "Flask") -> None:
        """Point `app` here, initialised or not, and lift the suppression that TESTING brings; undone at `close`."""
        if self.closed:
            raise Closed(f"mailbox {self.name!r} is closed")
        if not any(binding.app is app for binding in self._bindings):
            self._bindings.append(Binding(app, self.mail_config))

    def close(self) -> None:
        """Undo every binding and stop listening; mail stays readable. Harmless when called again."""
        if self.closed:
            return
        self.closed = True
        while self._bindings:
            self._bindings.pop().undo()
        for listener in self._listeners:
            listener.close()

    # Reading -----------------------------------------------------------------------------------------------------

    def _messages(self) -> list[Message]:
        if not self._inbox.readable:
            raise Closed(f"mailbox {self.name!r} is closed, and its file with it; read mail before the sandbox closes")
        return self._inbox.messages_after(self._opened_at, self.name)

    @property
    def now(self) -> tuple[CapturedMessage, ...]:
        """What is here at this moment."""
        return tuple(map(CapturedMessage, self._messages()))

    def __len__(self) -> int:
        return len(self._messages())

    @overload
    def __getitem__(self, index: int) -> CapturedMessage: ...
    @overload
    def __getitem__(self, index: slice) -> list[CapturedMessage]: ...
    def __getitem__(self, index: int | slice) -> CapturedMessage | list[CapturedMessage]:
        messages = self._messages()
        if isinstance(index, slice):
            return [CapturedMessage(message) for message in messages[index]]
        try:
            return CapturedMessage(messages[index])
        except IndexError:
            text = f"mailbox index {index} out of range\ncaptured:\n{assertions.captured(messages)}"
            raise IndexError(text) from None

    def __iter__(self) -> Iterator[CapturedMessage]:
        return iter(self.now)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Mailbox):
            return self is other
        return list(self.now) == list(other) if isinstance(other, (list, tuple)) else NotImplemented

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        if not self._inbox.readable:
            return f"<Mailbox {self.name!r} closed>"
        messages = self._messages()
        lines = [assertions.line(message) for message in messages[-3:]]
        return f"<Mailbox {self.name!r} {len(messages)} mail{'s' * (len(messages) != 1)}: {'; '.join(lines)}>"

    # Expecting ---------------------------------------------------------------------------------------------------

    def one(self, *, timeout: float | None = None, **want: Unpack[Want]) -> CapturedMessage:
        """The one message that meets `want`. Raises AssertionError when there is none or more than one."""
        __tracebackhide__ = True  # pytest shows the test's line, not ours
        return self._expected("exactly 1 mail", 1, 1, timeout, want)[0]

    def first(self, *, timeout: float | None = None, **want: Unpack[Want]) -> CapturedMessage:
        """The earliest message that meets `want`. Raises AssertionError when there is none."""
        __tracebackhide__ = True
        return self._expected("at least 1 mail", 1, None, timeout, want)[0]

    def last(self, *, timeout: float | None = None, **want: Unpack[Want]) -> CapturedMessage:
        """The latest message that meets `want`. Raises AssertionError when there is none."""
        __tracebackhide__ = True
        return self._expected("at least 1 mail", 1, None, timeout, want)[-1]

    def all(self, **want: Unpack[Want]) -> list[CapturedMessage]:
        """Every message that meets `want`, oldest first."""
        matcher = Matcher(want)
        return [CapturedMessage(message) for message in self._messages() if matcher.matches(message)]

    def wait(
        self, count: int = 1, *, exact: bool = False, timeout: float | None = None, **want: Unpack[Want]
    ) -> list[CapturedMessage]:
        """The messages that meet `want`, once there are `count` of them.

        `exact` fails when there are more. Raises AssertionError after `timeout` seconds.
        """
        __tracebackhide__ = True
        plural = f"{count} mail{'s' * (count != 1)}"
        limit = self.timeout if timeout is None else timeout
        expected = f"exactly {plural}" if exact else f"at least {plural}"
        return self._expected(expected, count, count if exact else None, limit, want)

    def none(self, **want: Unpack[Want]) -> None:
        """Raises AssertionError when a message that meets `want` is here."""
        __tracebackhide__ = True
        self._expected("no mail", 0, 0, None, want)

    def clear(self) -> None:
        """Forget every message here, and every connection that is over."""
        self._inbox.delete(mailbox=self.name)
        self._service.forget()

    def _expected(
        self, expected: str, least: int, most: int | None, timeout: float | None, want: Want
    ) -> list[CapturedMessage]:
        __tracebackhide__ = True
        matcher = Matcher(want)
        messages = self._messages()
        found = [message for message in messages if matcher.matches(message)]

        def enough() -> list[Message] | None:
            fresh = self._inbox.messages_after(messages[-1].id if messages else self._opened_at, self.name)
            messages.extend(fresh)
            found.extend(message for message in fresh if matcher.matches(message))
            return found if len(found) >= least else None

        started = monotonic()
        self._inbox.wait_for(enough, timeout or 0)
        if len(found) < least or (most is not None and len(found) > most):
            waited = monotonic() - started if timeout else None
            raise AssertionError(assertions.failure(expected, matcher, found, messages, waited))
        return [CapturedMessage(message) for message in found]
