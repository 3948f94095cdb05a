"""A mail's own content as a browser may have it: its HTML document, its text, its parts and its octets.

Owns what is said about each of them to a browser, which must neither run nor fetch anything for a mail.
Knows no page around the document.
"""

import re
from urllib.parse import quote

from flask import Blueprint, Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from mailsandbox.html import displayable
from mailsandbox.message import Attachment, Message
from mailsandbox_viewer.viewer import current, message_or_404, number

blueprint = Blueprint("document", __name__)

# Types that a browser only paints. Everything else is handed over as octets to keep.
_RASTER = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/avif", "image/jpg"})
_KEPT = _RASTER | {"text/plain"}
_NAME_LIMIT = 120
_HEAD = re.compile(r"<head(\s[^>]*)?>", re.IGNORECASE)

# `sandbox` gives the document an origin of its own, without scripts and forms, wherever it is opened: an
# iframe's attribute would not protect a new tab. Its images are named by URL, those of this very mail and
# nothing else: 'self' would let a mail call the rest of the viewer.
_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src {images} data:; "
    "style-src 'unsafe-inline'; font-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)


@blueprint.get("/view/latest")
def latest() -> WerkzeugResponse:
    return redirect(url_for("document.html", ref=message_or_404("latest").id))


@blueprint.get("/view/<ref>.html")
def html(ref: str) -> Response:
    """The HTML document of a mail (its text, where it has no HTML), unable to run or fetch anything."""
    message = message_or_404(ref)
    images = f"{request.host_url}inline/{current().key}/{message.id}/"
    by_id = {part.content_id: index for index, part in enumerate(message.attachments, 1) if part.content_id}

    def cid_url(content_id: str) -> str | None:
        index = by_id.get(content_id)
        return None if index is None else f"{images}{index}"

    markup = displayable(message.html, cid_url) if message.html else _text_document(message.text)
    # Links open beside the viewer, never inside its frame. A `base` of the mail itself has been cut.
    markup = _HEAD.sub(lambda head: head.group(0) + '<base target="_blank">', markup, count=1)
    response = Response(markup.encode("utf-8", "replace"), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _POLICY.format(images=images)
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@blueprint.get("/view/<ref>.txt")
def text(ref: str) -> Response:
    return plain(message_or_404(ref).text.encode("utf-8", "replace"))


@blueprint.get("/inline/<key>/<ref>/<part>")
def inline(key: str, ref: str, part: str) -> Response:
    """An image that the HTML document of the same mail shows."""
    if key != current().key:
        abort(404, "there is no such image")
    found = part_or_404(message_or_404(ref), part)
    if found.content_type.lower() not in _RASTER:
        abort(404, "only images are shown inside a mail")
    response = download(found, part)
    response.headers["Content-Disposition"] = "inline"
    # The document that shows it has an opaque origin, to which everything is cross-origin.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@blueprint.get("/message/<ref>.eml")
def eml(ref: str) -> Response:
    message = message_or_404(ref)
    response = Response(message.raw, content_type="message/rfc822")
    response.headers["Content-Disposition"] = disposition(f"{message.id} {message.subject}"[:80] + ".eml", "")
    return _inert(response)


@blueprint.get("/message/<ref>/part/<part>")
def part(ref: str, part: str) -> Response:
    return download(part_or_404(message_or_404(ref), part), part)


def plain(octets: bytes) -> Response:
    """`octets` as text that a browser shows and never interprets."""
    return _inert(Response(octets, content_type="text/plain; charset=utf-8"))


def part_or_404(message: Message, part: str) -> Attachment:
    """The part of `message` that its 1-based index `part` names."""
    index = number(part)
    if not index or index > len(message.attachments):
        abort(404, "the message has no such part")
    return message.attachments[index - 1]


def download(part: Attachment, part_id: str) -> Response:
    """`part` as a file to keep, under a type that no browser runs."""
    kind = part.content_type.lower()
    response = Response(part.bytes, content_type=kind if kind in _KEPT else "application/octet-stream")
    response.headers["Content-Disposition"] = disposition(part.filename, f"part-{part_id}")
    return _inert(response)


def disposition(name: str, otherwise: str) -> str:
    """The Content-Disposition (RFC 6266) that saves a file as the harmless part of `name`, or `otherwise`."""
    name = name.encode("utf-8", "replace").decode("utf-8")
    name = re.split(r"[/\\]", name)[-1]
    name = "".join(char if char.isprintable() and char not in '"<>:|?*' else "_" for char in name).strip(" .")
    if len(name) > _NAME_LIMIT:
        stem, dot, extension = name.rpartition(".")
        keep = dot + extension if stem and len(extension) <= 10 else ""
        name = name[: _NAME_LIMIT - len(keep)] + keep
    name = name if name.strip("_") else otherwise or "file"
    ascii_name = re.sub(r"[^\x20-\x7e]|[%;]", "_", name)
    extended = "" if ascii_name == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{ascii_name}"{extended}'


def _inert(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'; frame-ancestors 'none'"
    return response


def _text_document(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    return (
        '<!DOCTYPE html><html><head><meta name="color-scheme" content="light dark"></head>'
        f'<body><pre style="white-space: pre-wrap">{escaped}</pre></body></html>'
    )
