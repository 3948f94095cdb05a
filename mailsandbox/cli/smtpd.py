"""The command line of the standard library's smtpd module, which Python 3.12 dropped.

`-n -c DebuggingServer localhost:8025` listens and prints each mail as it used to. Of the old classes only that one
makes sense here: the others relayed mail to the world.
"""

import getopt
import logging
import sys
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from mailsandbox import __version__
from mailsandbox.cli import address, printing, shutdown
from mailsandbox.errors import MailSandboxError
from mailsandbox.message import Message

_USAGE = """Usage: python -m mailsandbox [options] [localhost:localport]

The words of `python -m smtpd`: prints every message it receives, and keeps none.

    -c, --class DebuggingServer   the one class there is
    -s, --size LIMIT              the largest message in octets
    -u, --smtputf8                announce SMTPUTF8
    -d, --debug                   say on standard error what goes on
    -n, --nosetuid                accepted; the user is never changed
    -V, --version   -h, --help

localhost:localport is localhost:8025 by default. For a viewer: mailsandbox serve"""


class BadWords(MailSandboxError):
    """Options that are none, or values they cannot have."""


@dataclass(frozen=True)
class Words:
    """What the old options say."""

    host: str = "localhost"
    port: int = 8025
    limit: int | None = None
    smtputf8: bool = False
    debug: bool = False

    @property
    def extensions(self) -> tuple[str, ...]:
        """What smtpd announced: a size only where one was given."""
        size = ("SIZE {size}",) if self.limit else ()
        return (*size, "8BITMIME", *(("SMTPUTF8",) if self.smtputf8 else ()), "HELP")


def speaks(arguments: Sequence[str]) -> bool:
    """Whether `arguments` are smtpd's words: options of its own first, or an address."""
    if not arguments or arguments[0] in ("-h", "--help", "-V", "--version"):
        return False
    return arguments[0].startswith("-") or ":" in arguments[0]


def run(arguments: Sequence[str]) -> int:
    """Serve until a signal comes; the exit code. Raises MailSandboxError for words that make no sense."""
    words = parse(arguments)
    if isinstance(words, str):
        printing.say(words)
        return 0
    if words.debug:
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="%(message)s")
    from mailsandbox.smtp import TLS, Auth, Authority, Limits, Policy, ServerThread, Service

    def deliver(message: Message) -> Future[int]:
        printing.say(printing.debugging_text(message))
        done: Future[int] = Future()
        done.set_result(0)
        return done

    with shutdown.asked_to_stop() as stop:
        thread = ServerThread()
        try:
            policy = Policy(
                Limits(message=words.limit or Limits.message),
                TLS("off"),
                Auth(mechanisms=()),
                extensions=words.extensions,
            )
            listener = thread.listen(words.host, words.port, Service("", deliver, policy, Authority()))
            logging.getLogger("mailsandbox").info("listening on %s", address.spell(listener.host, listener.port))
            if words.port == 0:  # nobody could know where to send otherwise
                print(f"smtp://{address.spell(listener.host, listener.port)}", file=sys.stderr, flush=True)
            shutdown.wait(stop)
        finally:
            thread.stop()
    return 0


def parse(arguments: Sequence[str]) -> Words | str:
    """The options, or a text to print instead of serving. Raises BadWords."""
    long = ["class=", "nosetuid", "version", "help", "size=", "debug", "smtputf8"]
    try:
        options, places = getopt.getopt(list(arguments), "nVhc:s:du", long)
    except getopt.GetoptError as error:
        raise BadWords(f"{error}; see 'mailsandbox --help', or use -n -c DebuggingServer localhost:8025") from error
    given = {key.lstrip("-")[:1]: value for key, value in options}
    if "h" in given:
        return _USAGE
    if "V" in given:
        return f"mailsandbox {__version__}"
    name = given.get("c", "")
    if name.removeprefix("smtpd.") != "DebuggingServer":
        relayed = name.removeprefix("smtpd.") in ("", "PureProxy", "SMTPServer", "MailmanProxy")
        why = "is not here: nothing is relayed" if relayed else "does not exist"
        raise BadWords(f"class {name or 'PureProxy'!r} {why}; use -c DebuggingServer")
    size = given.get("s")
    if size is not None and (not size.isdecimal() or int(size) < 1):
        raise BadWords(f"size {size!r} is not a number of octets, such as 33554432")
    if len(places) > 2:  # a second address was where to relay to; it was ignored by DebuggingServer, and is here
        raise BadWords(f"too many addresses: {' '.join(places)}; give one, such as localhost:8025")
    try:
        host, port = address.parse(places[0]) if places else ("localhost", 8025)
    except ValueError as error:
        raise BadWords(str(error)) from error
    return Words(host, port, int(size) if size else None, "u" in given, "d" in given)
