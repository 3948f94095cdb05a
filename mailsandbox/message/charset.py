"""Octets of unknown honesty turned into text that can be stored, searched and shown.

Everything here returns text without lone surrogates and without NUL, together with what was wrong, and never raises.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Callable
from quopri import decodestring

Note = Callable[[str], None]

# An encoded word (RFC 2047 2), taken more liberally than the RFC: blanks may stand in quoted-printable text, as many
# senders write them. White space between two encoded words does not count (6.2).
_ENCODED_WORD = re.compile(r"=\?([^?\s*]*)(?:\*[^?\s]*)?\?([bBqQ])\?([^?]*)\?=")
_BETWEEN = re.compile(r"(=\?[^?\s]*\?[bBqQ]\?[^?]*\?=)\s+(?==\?[^?\s]*\?[bBqQ]\?[^?]*\?=)")
_CUT_WORD = re.compile(r"=\?[\w.:*-]+\?[bBqQ]\?")
_UNSAFE = re.compile("[\x00\ud800-\udfff]")


def scrubbed(text: str, note: Note) -> str:
    """`text` with NUL and lone surrogates, which neither UTF-8 nor a database can hold, replaced by U+FFFD."""
    if _UNSAFE.search(text):
        note("NUL characters or lone surrogates")
        return _UNSAFE.sub("\ufffd", text)
    return text


def decoded(octets: bytes, charset: str | None, note: Note) -> str:
    """`octets` as text in `charset` (a MIME name), or as readably as can be when that is wrong or unknown."""
    name = (charset or "us-ascii").strip().strip("\"'")
    if name.lower() in ("us-ascii", "ascii", "utf-8", "utf8", "unknown-8bit", ""):
        return scrubbed(_as_utf8(octets, name, note), note)
    try:
        text = octets.decode(name)
    except UnicodeDecodeError:
        note(f"octets that are not {name}")
        text = octets.decode(name, "replace")
    except Exception:  # an unknown codec, or one of those that are no character sets at all
        note(f"unknown charset {name[:40]!r}")
        text = _as_utf8(octets, "utf-8", lambda reason: None)
    return scrubbed(text, note)


def _as_utf8(octets: bytes, declared: str, note: Note) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        note(f"octets that are not {'UTF-8' if declared.lower().startswith('utf') else 'ASCII or UTF-8'}")
        return octets.decode("utf-8" if declared.lower().startswith("utf") else "latin-1", "replace")


def raw_text(value: str, note: Note) -> str:
    """A header value as the email package hands it out (surrogates standing for octets above 127) as text."""
    if value.isascii():
        return scrubbed(value, note)
    return decoded(value.encode("utf-8", "surrogateescape"), "utf-8", note)


def unfolded(value: str) -> str:
    """`value` without the line breaks of folding (RFC 5322 2.2.3)."""
    return re.sub(r"\r?\n(?=[ \t])", "", value).replace("\r", "").replace("\n", " ")


def decoded_words(value: str, note: Note) -> str:
    """`value` with its encoded words (RFC 2047) decoded.

    Neighbours in one charset are joined before decoding: senders cut words in the middle of a character.
    """
    if "=?" not in value:
        return value
    pieces: list[str] = []
    pending: list[bytes] = []
    pending_charset = ""
    end = 0
    value = _BETWEEN.sub(r"\1", value)
    for word in _ENCODED_WORD.finditer(value):
        charset, encoding, payload = word.groups()
        adjacent = word.start() == end
        if pending and not (adjacent and charset.lower() == pending_charset):
            pieces.append(decoded(b"".join(pending), pending_charset, note))
            pending.clear()
        if not adjacent:
            pieces.append(value[end : word.start()])
        pending.append(_word_octets(encoding, payload, note))
        pending_charset = charset.lower()
        end = word.end()
    if pending:
        pieces.append(decoded(b"".join(pending), pending_charset, note))
    rest = value[end:]
    if _CUT_WORD.search(rest):
        note("an encoded word that is cut short")
    pieces.append(rest)
    return scrubbed("".join(pieces), note)


def _word_octets(encoding: str, payload: str, note: Note) -> bytes:
    octets = payload.encode("utf-8", "surrogateescape")
    if encoding in "qQ":
        return decodestring(octets, header=True)
    octets = re.sub(rb"[^A-Za-z0-9+/]", b"", octets)
    if len(octets) % 4 == 1:
        note("an encoded word that is cut short")
        octets = octets[:-1]
    try:
        return b64decode(octets + b"=" * (-len(octets) % 4))
    except (binascii.Error, ValueError):
        note("an encoded word that is not base64")
        return octets
