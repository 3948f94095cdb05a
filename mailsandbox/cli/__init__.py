"""The command line: the composition root of processes.

Owns nothing but the choice of a command and the rule that what a user did wrong ends in one line and exit code 2. Each
command's module is imported when it is called.
"""

import sys
from collections.abc import Sequence

import click

from mailsandbox import __version__
from mailsandbox.errors import MailSandboxError, listed

_COMMANDS = {
    "serve": "mailsandbox.cli.serve",
    "demo": "mailsandbox.cli.demo",
}


class _Lazy(click.Group):
    """Commands by name, imported when used."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        from importlib import import_module

        command: click.Command = import_module(_COMMANDS[name]).command
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS:
            raise click.UsageError(f"no command {args[0]!r}; {listed(_COMMANDS, args[0])}")
        return super().resolve_command(context, args)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "MAILSANDBOX"})
@click.version_option(__version__, "-V", "--version", prog_name="mailsandbox")
def cli() -> None:
    """Test and watch the mail your Flask application sends.

    The words of the old `python -m smtpd` work too: -n -c DebuggingServer localhost:8025
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 an expectation failed, 2 wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    from mailsandbox.cli import smtpd

    try:
        if smtpd.speaks(given):
            status = smtpd.run(given)
        else:
            status = cli.main(given, prog_name="mailsandbox", standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        status = 0
    except click.ClickException as error:
        click.echo(f"mailsandbox: {error.format_message()}", err=True)
        click.echo("Try 'mailsandbox --help'.", err=True)
        status = 2
    except MailSandboxError as error:
        click.echo(f"mailsandbox: {error}", err=True)
        status = 2
    except (click.Abort, KeyboardInterrupt):
        status = 130
    sys.exit(status)
