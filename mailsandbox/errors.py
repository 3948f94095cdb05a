"""The errors this package raises.

Owns their names and what each one means; knows nothing else of the package. Every text names what the user did, what
would be right, and what to do.
"""

import difflib
from collections.abc import Iterable


class MailSandboxError(Exception):
    """Anything that mailsandbox refuses; its text is one line, fit to be shown without a traceback."""


class UnknownCriterion(MailSandboxError, TypeError):
    """An expectation names a criterion that does not exist, or gives one a value it cannot compare."""


class BadSetting(MailSandboxError, ValueError):
    """A mailbox was asked for something that does not exist: a TLS mode, a mechanism, a profile."""


class BadFault(MailSandboxError, ValueError):
    """A scripted failure that could never happen: an unknown stage, or a value that makes no sense there."""


class ListenError(MailSandboxError):
    """An address cannot be listened on: taken, not ours, or not an address."""


class StoreError(MailSandboxError):
    """A store cannot be opened, or an operation on it failed; what it had acknowledged is untouched."""


class StoreFull(StoreError):
    """The store has no room for a message (the SMTP reply is 452 4.3.1)."""


class StoreBusy(StoreError):
    """The store cannot be written now, because another program holds it."""


class Closed(MailSandboxError):
    """Something was used after its lifetime ended."""


def listed(choices: Iterable[str], given: str) -> str:
    """The valid `choices` as one phrase, the likeliest meant by `given` first."""
    names = list(choices)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}use one of: {', '.join(names)}"
