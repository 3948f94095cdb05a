"""`mailsandbox demo`: sandbox, viewer and microblog together, with real mail sent by every path."""

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TypeVar

import click
from flask import Flask

from mailsandbox import microblog
from mailsandbox.cli import shutdown
from mailsandbox.cli.address import spell
from mailsandbox.errors import ListenError
from mailsandbox.mailbox import Mailbox
from mailsandbox.message import Message
from mailsandbox.microblog import mail, sending, user
from mailsandbox.sandbox import MailSandbox

T = TypeVar("T")

_PEOPLE = {
    "susan": "Sails, and writes about it.",
    "john": "Photographs trains. Mostly late ones.",
    "maría": "Ñandúes, café y código.",
    "david": "Bakes bread on Sundays.",
    "mei": "Looks after the telescope.",
    "olu": "Restores old radios.",
    "ingrid": "Ski patrol, winters only.",
}
_COLUMNS = ("path", "sender", "recipients", "subject", "size", "connection")


@click.command("demo")
@click.option("--once", is_flag=True, help="On free ports: send, print what was captured, and end.")
def command(once: bool) -> None:
    """Show everything at work: microblog sends mail by each of its paths, the sandbox captures it."""
    from mailsandbox_viewer import ViewerServer, create_app

    with shutdown.asked_to_stop() as stop, ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="mailsandbox-", ignore_cleanup_errors=True))
        )
        smtp, http, blog = (0, 0, 0) if once else (8025, 8026, 5000)
        sandbox = stack.enter_context(MailSandbox(str(folder / "mail.db")))
        box = _preferring(smtp, lambda port: sandbox.open("default", port=port))
        watching = create_app(sandbox.inbox, smtp=spell(box.host, box.port))
        viewer = _preferring(http, lambda port: ViewerServer(watching, "127.0.0.1", port))
        stack.enter_context(viewer)
        app = microblog.create_app(
            {"DATABASE": str(folder / "microblog.db"), "MAIL_SERVER": box.host, "MAIL_PORT": box.port}
        )
        site = _preferring(blog, lambda port: ViewerServer(app, "127.0.0.1", port))
        stack.enter_context(site)
        _populate(app)
        sent = _send(app, site.url)
        missing = _missing(box, sent)
        if once:
            click.echo(_table(sandbox.inbox.messages_after(0)))
            if missing:
                raise SystemExit(_complain(missing))
            return
        for name, url in (
            ("smtp", f"smtp://{spell(box.host, box.port)}"),
            ("viewer", viewer.url),
            ("app", site.url),
        ):
            click.echo(f"{name} {url}")
        click.echo("Log in to the app as susan, password 'demo', and follow somebody. Ctrl-C ends the demo.")
        shutdown.wait(stop)


def _preferring(port: int, start: Callable[[int], T]) -> T:
    """What `start` makes on `port`, or on any free one where another program has it."""
    try:
        return start(port)
    except ListenError:
        return start(0)


def _populate(app: Flask) -> None:
    """People, registered as a browser would."""
    for number, (name, about) in enumerate(_PEOPLE.items()):
        form = {
            "username": name,
            "email": f"user{number}@microblog.example",
            "password": "demo",
            "about": about,
        }
        app.test_client().post("/auth/register", data=form)


def _send(app: Flask, url: str) -> Counter[str]:
    """Real mail by each path; how many each path was given."""
    sent: Counter[str] = Counter()
    with app.test_request_context(base_url=url):
        followed = user.by_name("susan")
        followers = [person for person in map(user.by_name, _PEOPLE) if person and person.username != "susan"]
        assert followed is not None
        for path in sending.SENDERS:
            messages = [mail.follower_notification(follower, followed) for follower in followers]
            messages += mail.newsletter(
                f"News by way of {path}", "Nothing happened. It was a good week.", followed, [followed]
            )
            if path == "bulk":
                messages = mail.newsletter("What happened this week", "A lot.", followed, user.everyone())
            sending.deliver(messages, path=path)
            sent[path] += len(messages)
    return sent


def _missing(box: Mailbox, sent: Counter[str]) -> Counter[str]:
    """What did not arrive within the time a local mail may take."""
    with suppress(AssertionError):
        box.wait(sum(sent.values()), timeout=15)
    return sent - Counter(str(message.headers.get("X-Microblog-Path")) for message in box)


def _complain(missing: Counter[str]) -> int:
    for path, count in missing.items():
        click.echo(f"mailsandbox: {count} mail(s) sent by {path} did not arrive", err=True)
    return 1


def _table(messages: Sequence[Message]) -> str:
    """What was captured, read from the store; connections numbered as they were first seen."""
    connections: dict[str, int] = {}
    rows = [_COLUMNS]
    for message in messages:
        number = connections.setdefault(message.session.id, len(connections) + 1)
        path = message.content.header("X-Microblog-Path")
        recipients = ", ".join(message.envelope.recipients)
        row = (
            path,
            message.envelope.reverse_path,
            recipients,
            message.subject,
            str(message.size),
            f"#{number}",
        )
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    paths = len({row[0] for row in rows[1:]})
    return "\n".join([*lines, "", f"{len(messages)} mails over {paths} paths and {len(connections)} connections"])
