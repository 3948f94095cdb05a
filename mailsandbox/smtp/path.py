"""The paths and parameters of MAIL and RCPT (RFC 5321 4.1.2), kept as sent. Pure."""

import re
from dataclasses import dataclass

# A mailbox with a quoted or a plain local part. Encoded words are not decoded: on the wire they are just text.
_MAILBOX = re.compile(
    r'(?P<local>"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"|[^\s<>()\[\]\\,;:"@\x00-\x1f\x7f]+)(?:@(?P<domain>\S+))?'
)
_DOMAIN = re.compile(r"[^\s<>()\[\]\\,;:\"@\x00-\x1f\x7f]+|\[[^\[\]\\\x00-\x20\x7f]+\]")
_ROUTE = re.compile(r"@[^:<>]*:")
_PARAMETER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(=[^\s=\x00-\x1f\x7f]*)?")


class BadPath(ValueError):
    """An argument that is no path, or has parameters that are none."""


@dataclass(frozen=True)
class Path:
    """An address without its angle brackets ("" for `<>`) and the parameters behind it, as sent."""

    address: str
    parameters: tuple[str, ...] = ()

    def parameter(self, name: str) -> str | None:
        """The value of parameter `name`; "" where it has none; None where it is not given."""
        for parameter in self.parameters:
            key, _, value = parameter.partition("=")
            if key.upper() == name:
                return value
        return None

    def unknown(self, known: frozenset[str]) -> str | None:
        """The first parameter that is not among `known`."""
        return next((p for p in self.parameters if p.partition("=")[0].upper() not in known), None)


def parse_path(argument: str, keyword: str) -> Path:
    """The path behind `FROM:` or `TO:`. Lenient where clients are (a blank after the colon, no brackets).

    Raises BadPath.
    """
    if argument[: len(keyword)].upper() != keyword:
        raise BadPath(f"no {keyword}")
    rest = argument[len(keyword) :].strip(" ")
    if rest.startswith("<"):
        address, rest = _bracketed(rest)
    else:
        address, _, rest = rest.partition(" ")
        if not address:
            raise BadPath("no address")
    if rest and not rest.startswith(" "):
        raise BadPath("text behind the address")
    parameters = tuple(rest.split())
    if not all(_PARAMETER.fullmatch(parameter) for parameter in parameters):
        raise BadPath("a parameter that is none")
    return Path(_checked(address), parameters)


def _bracketed(rest: str) -> tuple[str, str]:
    """The inside of the angle brackets, a quoted string's own `>` not counting, and what follows them."""
    quoted = escaped = False
    for position, character in enumerate(rest):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == ">" and not quoted:
            return rest[1:position], rest[position + 1 :]
    raise BadPath("no closing bracket")


def _checked(address: str) -> str:
    if address == "":
        return address
    mailbox = _MAILBOX.fullmatch(_ROUTE.sub("", address, count=1) if address.startswith("@") else address)
    if mailbox is None or (mailbox["domain"] is not None and not _DOMAIN.fullmatch(mailbox["domain"])):
        raise BadPath("not an address")
    return mailbox.group()
