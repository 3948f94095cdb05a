"""`mailsandbox serve`: the sandbox and its viewer, until a signal comes."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread

import click

from mailsandbox import profiles
from mailsandbox.cli import printing, shutdown
from mailsandbox.cli.address import HostPort, is_loopback, spell
from mailsandbox.inbox import Inbox
from mailsandbox.sandbox import MailSandbox
from mailsandbox.smtp import TLS, Limits
from mailsandbox.smtp.tls import MODES


@click.command("serve", context_settings={"auto_envvar_prefix": "MAILSANDBOX"})
@click.option("--smtp", type=HostPort(), default="127.0.0.1:8025", show_default=True, help="Where to take mail.")
@click.option("--http", type=HostPort(), default="127.0.0.1:8026", show_default=True, help="Where to show it.")
@click.option("--store", metavar="FILE|URL", help="Keep mail in this SQLite file; without it, until the end.")
@click.option(
    "--print", "prints", is_flag=True, envvar="MAILSANDBOX_PRINT", help="Print each mail, as smtpd.DebuggingServer did."
)
@click.option("-v", "--verbose", is_flag=True, help="Print the SMTP conversation of each mail, too.")
@click.option("--tls", type=click.Choice(MODES), help="TLS: starttls (offered; the default), required, ...")
@click.option("--tls-smtp", type=HostPort(), help="With --tls both: where to take mail with implicit TLS.")
@click.option("--cert", nargs=2, metavar="CHAIN KEY", help="The certificate to show, in two PEM files.")
@click.option(
    "--auth",
    "logins",
    metavar="USER:PASSWORD",
    multiple=True,
    envvar="MAILSANDBOX_AUTH",
    help="Who may send; again for more.",
)
@click.option("--profile", type=click.Choice(profiles.NAMES), help="Behave as this provider's server.")
@click.option("--no-viewer", is_flag=True, help="Take mail only.")
@click.option("--exit-after", type=click.IntRange(min=1), metavar="N", help="Stop after N messages.")
def command(
    smtp: tuple[str, int],
    http: tuple[str, int],
    store: str | None,
    prints: bool,
    verbose: bool,
    tls: str | None,
    tls_smtp: tuple[str, int] | None,
    cert: tuple[str, str] | None,
    logins: tuple[str, ...],
    profile: str | None,
    no_viewer: bool,
    exit_after: int | None,
) -> None:
    """Capture mail and show it in a browser.

    Prints one line for each address: what it is, a blank, and its URL. Every option has a variable, such as
    MAILSANDBOX_SMTP for --smtp.
    """
    if tls_smtp and (tls != "both" or tls_smtp[0] != smtp[0]):
        raise click.BadParameter("goes with --tls both, and has the host of --smtp", param_hint="--tls-smtp")
    if cert and tls == "off":
        raise click.BadParameter("goes with TLS, and --tls is off", param_hint="--cert")
    with shutdown.asked_to_stop() as stop, ExitStack() as stack:
        if store is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mailsandbox-", ignore_cleanup_errors=True))
            store = str(Path(folder) / "mail.db")
        sandbox = stack.enter_context(MailSandbox(store, host=smtp[0], limits=Limits(records=200)))
        watched = sandbox.inbox.newest()
        box = sandbox.open(
            "default",
            port=smtp[1],
            tls=TLS(tls or "starttls", files=cert) if tls or cert else None,
            auth=_users(logins) or None,
            profile=profile,
            tls_port=tls_smtp[1] if tls_smtp else 0,
        )
        hosts = [box.host]
        lines = [f"smtp {'smtp://' + spell(box.host, box.port)}"]
        if box.tls_port is not None:
            lines.append(f"smtps smtps://{spell(box.host, box.tls_port)}")
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
        if prints or verbose or exit_after:
            arguments = (sandbox.inbox, watched, prints, verbose, exit_after, stop)
            watcher = Thread(target=_watch, args=arguments, name="watcher")
            watcher.start()
            stack.callback(watcher.join)
            stack.callback(stop.set)
        shutdown.wait(stop)


def _users(logins: tuple[str, ...]) -> dict[str, str]:
    """The users and passwords of --auth."""
    users = {}
    for login in logins:
        user, colon, password = login.partition(":")
        if not (user and colon):
            raise click.BadParameter("give USER:PASSWORD", param_hint="--auth")
        users[user] = password
    return users


def _watch(inbox: Inbox, after: int, prints: bool, verbose: bool, exit_after: int | None, stop: Event) -> None:
    """Print what arrives, and ask for the end when enough has."""
    left = exit_after
    try:
        for fresh in inbox.follow(after, heartbeat=0.2):
            for summary in fresh:
                message = inbox.get(summary.id) if prints or verbose else None
                if message is not None and verbose:
                    printing.say(message.session.transcript)
                if message is not None and prints:
                    printing.say(printing.debugging_text(message))
                left = None if left is None else left - 1
                if left == 0:
                    return
            if stop.is_set():
                return
    finally:
        stop.set()
