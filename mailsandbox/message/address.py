"""Mailboxes (RFC 5322 3.4) as they stand in headers.

Pure; reads any header value, however broken, and says what it could not read.
"""

import re
import sys
from email.utils import getaddresses

from mailsandbox.message.charset import Note, decoded_words

# From this size on a header is read by a scan: the email package's parser is quadratic, and nobody names 20,000
# recipients in good faith.
_PARSER_LIMIT = 200_000
_ADDR_SPEC = re.compile(r"""[^\s<>()\[\],;:"@]+@[^\s<>()\[\],;:"@]+""")
_NEEDS_QUOTES = re.compile(r'[()<>@,:;.\[\]"\\]')


class Address(str):
    """An e-mail address: the string is the addr-spec itself; `name` is the display name beside it, or ""."""

    name: str
    __slots__ = ("name",)

    def __new__(cls, addr_spec: str, name: str = "") -> "Address":
        self = super().__new__(cls, addr_spec)
        self.name = name
        return self

    def __reduce__(self) -> tuple[type["Address"], tuple[str, str]]:
        return (Address, (str(self), self.name))

    @property
    def full(self) -> str:
        """`Name <addr-spec>`, or the addr-spec alone when there is no name."""
        if not self.name:
            return str(self)
        name = self.name
        if _NEEDS_QUOTES.search(name):
            name = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
        return f"{name} <{self}>"

    @property
    def key(self) -> str:
        """The form two addresses are compared in: the domain's case does not matter, the local part's does."""
        local, at, domain = self.rpartition("@")
        return f"{local}{at}{domain.lower()}"


# `strict` came with the fix of CVE-2023-27043 and refuses a whole list for one odd member; a viewer wants the rest.
_LENIENT = {"strict": False} if sys.version_info >= (3, 13) else {}


def _pairs(value: str) -> list[tuple[str, str]]:
    try:
        return getaddresses([value], **_LENIENT)
    except TypeError:  # pragma: no cover - a build whose getaddresses takes no `strict`
        return getaddresses([value])


def parse_addresses(value: str, note: Note) -> tuple[Address, ...]:
    """The mailboxes that a header `value` names; groups are flattened. Never raises."""
    if not value.strip():
        return ()
    try:
        if len(value) > _PARSER_LIMIT:
            raise ValueError("too long")
        pairs = _pairs(value)
    except (RecursionError, ValueError, IndexError, TypeError):
        note("an address list that cannot be parsed")
        return tuple(Address(spec) for spec in dict.fromkeys(_ADDR_SPEC.findall(value)))
    found = []
    for name, spec in pairs:
        if not spec and not name:
            continue
        if not spec or "@" not in spec:
            note(f"an address without a domain: {(spec or name)[:80]!r}")
        found.append(Address(spec.strip(), decoded_words(name, note).strip()))
    if not found:
        note("an address list without an address")
    return tuple(found)


def parse_address(text: str) -> Address:
    """One address as a person writes it, with or without a display name."""
    found = parse_addresses(text, lambda reason: None)
    return found[0] if len(found) == 1 else Address(text.strip())
