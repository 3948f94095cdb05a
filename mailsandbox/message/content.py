"""What the octets of one mail say: headers, texts, attachments.

Owns MIME. Each field is read when it is first asked for, under its own guard: a broken field yields the best readable
value there is and a recorded `Defect`, and never hides another field. The email package's compat32 policy does the
splitting (its default policy raises on real mail and is quadratic); what it gets wrong is caught here.
"""

import email.message
import email.parser
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import collapse_rfc2231_value, parsedate_to_datetime
from typing import Any, TypeVar, cast

from mailsandbox import html as markup
from mailsandbox.extract import Link, links
from mailsandbox.message.address import Address, parse_addresses
from mailsandbox.message.charset import Note, decoded, decoded_words, raw_text, scrubbed, unfolded

# Longer header values are cut: nobody reads them, and decoding is not linear.
_MAX_VALUE = 1_000_000
_MAX_PARTS = 5_000
_NO_DATE = "a date that is not a date"
_EMPTY_PARAMETER = re.compile(r";\s*[\w*-]+\*\s*(?:;|$)")


@dataclass(frozen=True)
class Defect:
    """Something wrong in a mail: the field it is in and what it is."""

    field: str
    reason: str


@dataclass(frozen=True)
class Header:
    """One header field: its name, its value decoded and unfolded, and its value as sent."""

    name: str
    value: str
    raw: str


@dataclass(frozen=True)
class Attachment:
    """A part of a mail that is not its text: `disposition` is "attachment", "inline" or "" as the part says.

    `content_id` comes without its angle brackets; `filename` is "" when the part has none.
    """

    filename: str
    content_type: str
    bytes: bytes
    disposition: str = ""
    content_id: str = ""
    charset: str = ""

    @property
    def text(self) -> str:
        """The octets as text, by the part's charset or as UTF-8; never raises."""
        return decoded(self.bytes, self.charset or "utf-8", lambda reason: None)

    @property
    def size(self) -> int:
        return len(self.bytes)


class _Part(email.message.Message):
    """A part as the parser sees it; an attached message is one opaque part, so that its octets stay as they were."""

    def get_content_maintype(self) -> str:
        maintype = super().get_content_maintype()
        return "application" if maintype == "message" else maintype

    def get_content_type(self) -> str:
        content_type = super().get_content_type()
        return "application/x-message" if content_type.startswith("message/") else content_type

    @property
    def declared_type(self) -> str:
        return super().get_content_type()


T = TypeVar("T")
_LONGEST_LINE = 998
_BARE_CR = re.compile(rb"\r(?!\n)")
_BARE_LF = re.compile(rb"(?<!\r)\n")


class _Field:
    """A guarded, lazily read property of Content: `read(self, note)`; any failure yields `default` and a defect."""

    def __init__(self, read: Callable[..., Any], default: Any) -> None:
        self.read = read
        self.default = default
        self.__doc__ = read.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, content: Any, owner: type | None = None) -> Any:
        if content is None:
            return self
        known = content._known
        if self.name not in known:
            reasons: list[str] = []
            try:
                value = self.read(content, reasons.append)
            except Exception as error:  # whatever a mail makes the standard library raise, the mail stays readable
                reasons.append(f"cannot be read ({type(error).__name__})")
                value = self.default
            known[self.name] = (value, tuple(dict.fromkeys(reasons)))
        return known[self.name][0]


def _field(default: T) -> Callable[[Callable[[Any, Note], T]], T]:
    return lambda read: cast(T, _Field(read, default))


class Content:
    """One mail's octets, read lazily. Immutable; equal when the octets are."""

    raw: bytes

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._known: dict[str, tuple[Any, tuple[str, ...]]] = {}

    @_field(default=_Part())
    def tree(self, note: Note) -> _Part:
        """The MIME tree; a mail nested too deeply to be split is one part."""
        try:
            return email.parser.BytesParser(_class=_Part).parsebytes(self.raw)
        except Exception as error:
            note("nested too deeply" if isinstance(error, RecursionError) else "MIME that cannot be split")
        try:
            return email.parser.BytesHeaderParser(_class=_Part).parsebytes(self.raw)
        except Exception:  # a Content-Type that makes the parser itself raise: its text is still worth showing
            head, _, body = self.raw.replace(b"\r\n", b"\n").partition(b"\n\n")
            part = _Part()
            for line in head.split(b"\n"):
                name, colon, value = line.partition(b":")
                if colon and name.lower() != b"content-type":
                    part.set_raw(name.decode("ascii", "replace"), value.strip().decode("ascii", "surrogateescape"))
            part.set_payload(body.decode("ascii", "surrogateescape"))
            return part

    @_field(default=cast(tuple[Header, ...], ()))
    def headers(self, note: Note) -> tuple[Header, ...]:
        """Every header field in order, duplicates included."""
        found = []
        for name, value in self.tree.raw_items():
            raw = raw_text(str(value)[:_MAX_VALUE], note)
            found.append(Header(raw_text(name, note), decoded_words(unfolded(raw), note).strip(), raw))
        return tuple(found)

    def header(self, name: str) -> str:
        """The first value of header `name`, decoded; "" when there is none."""
        return next((header.value for header in self.headers if header.name.lower() == name.lower()), "")

    def _undecoded(self, name: str) -> str:
        return ", ".join(unfolded(h.raw) for h in self.headers if h.name.lower() == name and h.raw.strip())

    @_field(default="")
    def subject(self, note: Note) -> str:
        return self.header("subject")

    @_field(default=cast(Address | None, None))
    def sender(self, note: Note) -> Address | None:
        """The first mailbox of From, or of Sender where there is no From."""
        for name in ("from", "sender"):
            if found := parse_addresses(self._undecoded(name), note):
                return found[0]
        return None

    @_field(default=cast(tuple[Address, ...], ()))
    def to(self, note: Note) -> tuple[Address, ...]:
        return parse_addresses(self._undecoded("to"), note)

    @_field(default=cast(tuple[Address, ...], ()))
    def cc(self, note: Note) -> tuple[Address, ...]:
        return parse_addresses(self._undecoded("cc"), note)

    @_field(default=cast(tuple[Address, ...], ()))
    def bcc_header(self, note: Note) -> tuple[Address, ...]:
        """What a Bcc header gives away; a mail should have none (RFC 5322 3.6.3)."""
        return parse_addresses(self._undecoded("bcc"), note)

    @_field(default=cast(tuple[Address, ...], ()))
    def reply_to(self, note: Note) -> tuple[Address, ...]:
        return parse_addresses(self._undecoded("reply-to"), note)

    @_field(default="")
    def message_id(self, note: Note) -> str:
        """The Message-ID as sent, angle brackets included; it is never taken apart."""
        value = self.header("message-id")
        inner = value[1:-1] if value.startswith("<") and value.endswith(">") else value
        if value and (inner == value or any(character in inner for character in "<>[] ")):
            note("not a msg-id of RFC 5322")
        return value

    @_field(default=cast(datetime | None, None))
    def date(self, note: Note) -> datetime | None:
        """The Date header; None when there is none or it names no moment."""
        if not (value := self.header("date")):
            return None
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, TypeError, IndexError, OverflowError):
            note(_NO_DATE)
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    @_field(default=cast(tuple[_Part, ...], ()))
    def leaves(self, note: Note) -> tuple[_Part, ...]:
        """The parts that hold something, in order."""
        found: list[_Part] = []
        stack: list[Any] = [self.tree]
        while stack:
            part = stack.pop()
            for defect in part.defects:
                note(f"MIME: {type(defect).__name__}")
            if part.is_multipart():
                stack.extend(reversed(part.get_payload()))
            elif len(found) >= _MAX_PARTS:
                note(f"more than {_MAX_PARTS} parts; the rest is left out")
                break
            else:
                found.append(part)
        return tuple(found)

    def _bodies(self, subtype: str, note: Note) -> Iterator[str]:
        for part in self.leaves:
            if part.get_content_type() == f"text/{subtype}" and not _is_attachment(part, note):
                yield decoded(_octets(part, note), _charset(part, note), note).replace("\r\n", "\n")

    @_field(default="")
    def text(self, note: Note) -> str:
        """The plain text for the reader, lines ending in a newline alone; several parts are joined."""
        return "\n".join(self._bodies("plain", note))

    @_field(default="")
    def html(self, note: Note) -> str:
        """The HTML for the reader, as sent."""
        return "\n".join(self._bodies("html", note))

    @_field(default=cast(tuple[Attachment, ...], ()))
    def attachments(self, note: Note) -> tuple[Attachment, ...]:
        """Every part that is not text for the reader, inline images included."""
        return tuple(
            _attachment(part, note)
            for part in self.leaves
            if part.get_content_type() not in ("text/plain", "text/html") or _is_attachment(part, note)
        )

    @_field(default=cast(tuple[Link, ...], ()))
    def links(self, note: Note) -> tuple[Link, ...]:
        return links(self.html, self.text)

    @_field(default="")
    def visible(self, note: Note) -> str:
        """What a reader sees: of the HTML if there is one, else the text."""
        return markup.visible_text(self.html) if self.html else self.text

    @_field(default=None)
    def octets(self, note: Note) -> None:
        """What was taken as sent and other servers may refuse, cut or change (RFC 5322 2.1.1, 2.3; RFC 5321 2.3.8)."""
        longest = max(map(len, self.raw.split(b"\r\n")))
        if longest > _LONGEST_LINE:
            note(f"a line of {longest:,} octets: other servers refuse or cut those over {_LONGEST_LINE}")
        if _BARE_CR.search(self.raw):
            note("a CR that ends no line")
        if _BARE_LF.search(self.raw):
            note("a LF without its CR")
        if b"\0" in self.raw:
            note("a NUL octet")

    @property
    def defects(self) -> tuple[Defect, ...]:
        """Everything wrong in this mail; reads all of it."""
        names = [name for name, field in vars(Content).items() if isinstance(field, _Field)]
        for name in names:
            getattr(self, name)
        return tuple(Defect(name, reason) for name in names for reason in self._known[name][1])


def _is_attachment(part: _Part, note: Note) -> bool:
    return _disposition(part) == "attachment" or bool(_filename(part, note))


def _disposition(part: _Part) -> str:
    value = str(part.get("content-disposition") or "").partition(";")[0].strip().lower()
    return value if value in ("attachment", "inline") else ""


def _filename(part: _Part, note: Note) -> str:
    """The file name a part gives itself: a name, whatever it looks like, and never a path to use."""
    for header, parameter in (("content-disposition", "filename"), ("content-type", "name")):
        try:
            value = part.get_param(parameter, None, header)
        except Exception:  # `name*` without a value, a half-encoded parameter: the standard library raises
            note(f"a {parameter} parameter that cannot be read")
            continue
        if _EMPTY_PARAMETER.search(str(part.get(header, ""))):
            note(f"a {header} parameter without a value")
        if value:
            name = value if isinstance(value, str) else collapse_rfc2231_value(value, "replace")
            return decoded_words(unfolded(raw_text(name, note)), note).strip()
    return ""


def _charset(part: _Part, note: Note) -> str:
    try:
        value = part.get_param("charset", "")
    except Exception:
        note("a charset parameter that cannot be read")
        return ""
    return collapse_rfc2231_value(value) if value else ""


def _octets(part: _Part, note: Note) -> bytes:
    try:
        payload = part.get_payload(decode=True)
    except Exception as error:
        note(f"a transfer encoding that cannot be undone ({type(error).__name__})")
        payload = None
    for defect in part.defects:
        note(f"MIME: {type(defect).__name__}")
    if isinstance(payload, bytes):
        return payload
    text = part.get_payload()
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else b""


def _attachment(part: _Part, note: Note) -> Attachment:
    content_id = scrubbed(raw_text(str(part.get("content-id") or ""), note), note)
    return Attachment(
        filename=_filename(part, note),
        content_type=raw_text(part.declared_type, note),
        bytes=_octets(part, note),
        disposition=_disposition(part),
        content_id=unfolded(content_id).strip().removeprefix("<").removesuffix(">"),
        charset=_charset(part, note),
    )
