"""The JSON API, in the shapes of Mailpit's public one.

Owns those shapes: names, nesting and what counts as an error. Knows no page and no browser.
"""

import re
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException

from mailsandbox.message import Address, Attachment, Message, Summary
from mailsandbox_viewer import document
from mailsandbox_viewer.viewer import current, message_or_404, number

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")

PAGE = 50
Shape = dict[str, Any]


@blueprint.get("/messages")
def messages() -> Response:
    inbox = current().inbox
    start = _whole("start", 0)
    listed = inbox.page(start=start, limit=max(1, _whole("limit", PAGE)))
    total, unread = inbox.count(), inbox.count(unread=True)
    return jsonify(
        {
            "total": total,
            "unread": unread,
            "count": len(listed),
            "messages_count": total,
            "messages_unread": unread,
            "start": start,
            "tags": [],
            "messages": [_summary(each) for each in listed],
        }
    )


@blueprint.delete("/messages")
def delete() -> Response:
    current().inbox.delete(_ids(_body()))
    return _ok()


@blueprint.put("/messages")
def mark() -> Response:
    body = _body()
    read = body.get("Read", False)
    if not isinstance(read, bool):
        abort(400, "Read must be true or false")
    current().inbox.mark_read(_ids(body), read)
    return _ok()


@blueprint.get("/message/<ref>")
def message(ref: str) -> Response:
    found = message_or_404(ref)
    current().inbox.mark_read([found.id])
    return jsonify(_message(found))


@blueprint.get("/message/<ref>/raw")
def raw(ref: str) -> Response:
    return document.plain(message_or_404(ref).raw)


@blueprint.get("/message/<ref>/headers")
def headers(ref: str) -> Response:
    values: dict[str, list[str]] = {}
    for header in message_or_404(ref).headers:
        values.setdefault(header.name.title(), []).append(header.value)
    return jsonify(values)


@blueprint.get("/message/<ref>/part/<part>")
def part(ref: str, part: str) -> Response:
    return document.download(document.part_or_404(message_or_404(ref), part), part)


def error(problem: HTTPException) -> Response:
    """`problem` in the API's shape."""
    response = jsonify({"Error": problem.description or problem.name})
    response.status_code = problem.code or 500
    return response


def _ok() -> Response:
    return Response("ok", content_type="text/plain; charset=utf-8")


def _whole(name: str, default: int) -> int:
    said = request.args.get(name)
    value = default if said is None else number(said)
    if value is None:
        abort(400, f"{name} must be a whole number, not negative")
    return value


def _body() -> Shape:
    if not request.get_data():
        return {}
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        abort(400, "the body must be a JSON object")
    return body


def _ids(body: Shape) -> list[int] | None:
    """The messages that a body names; none named means all, as Mailpit has it."""
    said = body.get("IDs")
    if said is None or said == []:
        return None
    if not isinstance(said, list):
        abort(400, "IDs must be a list")
    ids = [number(each) if isinstance(each, str) else None for each in said]
    if None in ids:
        abort(400, "IDs must be a list of message ids, which are strings of digits")
    return [each for each in ids if each is not None]


def _address(address: Address | None) -> dict[str, str] | None:
    return None if address is None else {"Name": address.name, "Address": str(address)}


def _addresses(addresses: tuple[Address, ...]) -> list[dict[str, str] | None]:
    return [_address(each) for each in addresses]


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _summary(mail: Summary) -> Shape:
    return {
        "ID": str(mail.id),
        "MessageID": mail.message_id.strip("<> "),
        "Read": mail.read,
        "From": _address(mail.sender),
        "To": _addresses(mail.to),
        "Cc": _addresses(mail.cc),
        "Bcc": _addresses(mail.bcc),
        "ReplyTo": _addresses(mail.reply_to),
        "Subject": mail.subject,
        "Created": _time(mail.received_at),
        "Username": "",
        "Tags": [],
        "Size": mail.size,
        "Attachments": mail.attachments,
        "Snippet": mail.snippet,
    }


def _message(mail: Message) -> Shape:
    parts = list(enumerate(mail.attachments, 1))
    return {
        "ID": str(mail.id),
        "MessageID": mail.message_id.strip("<> "),
        "From": _address(mail.sender),
        "To": _addresses(mail.to),
        "Cc": _addresses(mail.cc),
        "Bcc": _addresses(mail.bcc),
        "ReplyTo": _addresses(mail.reply_to),
        "ReturnPath": mail.envelope.reverse_path,
        "Subject": mail.subject,
        "ListUnsubscribe": _unsubscribe(mail),
        "Date": _time(_date(mail)),
        "Tags": [],
        "Username": "",
        "Text": mail.text,
        "HTML": mail.html,
        "Size": mail.size,
        "Inline": [_part(index, each) for index, each in parts if _is_inline(each)],
        "Attachments": [_part(index, each) for index, each in parts if not _is_inline(each)],
    }


def _date(mail: Message) -> datetime:
    """When the author says the mail was written; when it came, if he does not say, or nonsense."""
    if mail.date is None:
        return mail.received_at
    try:
        return mail.date.astimezone(UTC)
    except (OverflowError, ValueError, OSError):
        return mail.received_at


def _is_inline(part: Attachment) -> bool:
    return part.disposition == "inline" or (not part.disposition and bool(part.content_id))


def _part(index: int, part: Attachment) -> Shape:
    return {
        "PartID": str(index),
        "FileName": part.filename,
        "ContentType": part.content_type,
        "ContentID": part.content_id,
        "Size": len(part.bytes),
    }


def _unsubscribe(mail: Message) -> Shape:
    """What List-Unsubscribe (RFC 2369) and List-Unsubscribe-Post (RFC 8058) say."""
    values = {header.name.lower(): header.value for header in mail.headers}
    header = values.get("list-unsubscribe", "").strip()
    links = re.findall(r"<\s*((?:https?://|mailto:)[^<>\s]+)\s*>", header, re.IGNORECASE)
    return {
        "Header": header,
        "Links": links,
        "Errors": "no link in angle brackets" if header and not links else "",
        "HeaderPost": values.get("list-unsubscribe-post", "").strip(),
    }
