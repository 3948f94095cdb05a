"""The pytest plugin: a mailbox for each test, and its mail in the report of a test that failed.

Uses mailsandbox's public names only. pytest imports this module at the start of every run, so it imports nothing heavy:
the server, Flask and the rest come with the first test that asks for a mailbox.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

# Only the clock, and at once: a test may freeze time before its fixtures are made.
import mailsandbox.clock  # noqa: F401

if TYPE_CHECKING:
    from mailsandbox import Mailbox, MailSandbox

_MAILBOX: pytest.StashKey[Mailbox] = pytest.StashKey()
_APPS: pytest.StashKey[dict[int, Any]] = pytest.StashKey()
_CURRENT: pytest.StashKey[pytest.Item] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_APPS] = {}


@pytest.fixture(scope="session", name="mailsandbox")
def _mailsandbox() -> Iterator[MailSandbox]:
    """The running server of this test run; every test's `mailbox` is a door into it."""
    from mailsandbox import MailSandbox

    with MailSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def mailbox(request: pytest.FixtureRequest, mailsandbox: MailSandbox) -> Iterator[Mailbox]:
    """This test's own mailbox, on its own port; the project's `app`, when the test uses it, sends its mail here."""
    item = request.node
    box = mailsandbox.open(item.nodeid)
    item.stash[_MAILBOX] = box
    try:
        for app in item.config.stash[_APPS].values():
            box.bind(app)
        yield box
    finally:
        box.close()
        box.clear()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    """An `app` made before the mailbox is remembered, one made after it is bound at once.

    So the mailbox never asks for `app` itself, and an `app` fixture is free to ask for the mailbox.
    """
    value = yield
    if fixturedef.argname == "app" and _is_flask(value):
        config = request.config
        config.stash[_APPS][id(fixturedef)] = value
        item = config.stash.get(_CURRENT, None)
        box = item.stash.get(_MAILBOX, None) if item is not None else None
        if box is not None and not box.closed:
            box.bind(value)
    return value


def pytest_fixture_post_finalizer(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
    request.config.stash[_APPS].pop(id(fixturedef), None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    item.config.stash[_CURRENT] = item
    try:
        return (yield)
    finally:
        del item.config.stash[_CURRENT]


def _is_flask(value: object) -> bool:
    """Whether `value` is a Flask application, decided without importing Flask for those who do not use it."""
    return any(cls.__module__ == "flask.app" and cls.__name__ == "Flask" for cls in type(value).__mro__)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows the mail it had captured."""
    report = yield
    box = item.stash.get(_MAILBOX, None)
    if box is not None and report.when == "call" and report.failed:
        report.sections.append(("Captured mail", _section(box)))
        if transcript := box.smtp.transcript:
            report.sections.append(("SMTP conversations", transcript))
    return report


def _section(box: Mailbox) -> str:
    lines = []
    for number, message in enumerate(box.now):
        lines.append(f"#{number} {message.subject!r}")
        lines.append(f"   from {message.envelope.reverse_path or '<>'} to {', '.join(message.recipients)}")
        for attachment in message.attachments:
            lines.append(f"   attached {attachment.filename or attachment.content_type} ({attachment.size} octets)")
        body = (message.text or message.html).strip().splitlines()
        lines += [f"   | {line}" for line in body[:8]]
        if len(body) > 8:
            lines.append(f"   | ... {len(body) - 8} more lines")
    return "\n".join(lines) or f"no mail came to {box.host}:{box.port}"
