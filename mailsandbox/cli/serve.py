"""`mailsandbox serve`: the sandbox and its viewer, until a signal comes."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread

import click

from mailsandbox.cli import printing, shutdown
from mailsandbox.cli.address import HostPort, is_loopback, spell
from mailsandbox.inbox import Inbox
from mailsandbox.sandbox import MailSandbox


@click.command("serve", context_settings={"auto_envvar_prefix": "MAILSANDBOX"})
@click.option("--smtp", type=HostPort(), default="127.0.0.1:8025", show_default=True, help="Where to take mail.")
@click.option("--http", type=HostPort(), default="127.0.0.1:8026", show_default=True, help="Where to show it.")
@click.option("--store", metavar="FILE|URL", help="Keep mail in this SQLite file; without it, until the end.")
@click.option(
    "--print", "prints", is_flag=True, envvar="MAILSANDBOX_PRINT", help="Print each mail, as smtpd.DebuggingServer did."
)
@click.option("--no-viewer", is_flag=True, help="Take mail only.")
@click.option("--exit-after", type=click.IntRange(min=1), metavar="N", help="Stop after N messages.")
def command(
    smtp: tuple[str, int],
    http: tuple[str, int],
    store: str | None,
    prints: bool,
    no_viewer: bool,
    exit_after: int | None,
) -> None:
    """Capture mail and show it in a browser.

    Prints one line for each address: what it is, a blank, and its URL. Every option has a variable, such as
    MAILSANDBOX_SMTP for --smtp.
    """
    with shutdown.asked_to_stop() as stop, ExitStack() as stack:
        if store is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mailsandbox-", ignore_cleanup_errors=True))
            store = str(Path(folder) / "mail.db")
        sandbox = stack.enter_context(MailSandbox(store, host=smtp[0]))
        watched = sandbox.inbox.newest()
        box = sandbox.open("default", port=smtp[1])
        hosts = [box.host]
        lines = [f"smtp {'smtp://' + spell(box.host, box.port)}"]
        if not no_viewer:
            from mailsandbox_viewer import ViewerServer, create_app

            app = create_app(sandbox.inbox, smtp=spell(box.host, box.port))
            server = stack.enter_context(ViewerServer(app, *http))
            lines.append(f"viewer {server.url}")
            hosts.append(server.address[0])
        for host in hosts:
            if not is_loopback(host):
                click.echo(f"mailsandbox: warning: {host} lets other machines send and read mail here", err=True)
        for line in lines:
            click.echo(line)
        if prints or exit_after:
            watcher = Thread(target=_watch, args=(sandbox.inbox, watched, prints, exit_after, stop), name="watcher")
            watcher.start()
            stack.callback(watcher.join)
            stack.callback(stop.set)
        shutdown.wait(stop)


def _watch(inbox: Inbox, after: int, prints: bool, exit_after: int | None, stop: Event) -> None:
    """Print what arrives, and ask for the end when enough has."""
    left = exit_after
    try:
        for fresh in inbox.follow(after, heartbeat=0.2):
            for summary in fresh:
                message = inbox.get(summary.id) if prints else None
                if message is not None:
                    printing.say(printing.debugging_text(message))
                left = None if left is None else left - 1
                if left == 0:
                    return
            if stop.is_set():
                return
    finally:
        stop.set()
