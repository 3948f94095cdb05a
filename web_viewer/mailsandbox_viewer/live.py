"""New mail as server-sent events (the EventSource of a browser).

Owns the stream and its cursor: the id of an event is the id of its message, so a browser that comes back
says what it has seen and misses nothing. Knows no store and no HTML beyond the row it sends along.
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from flask import Blueprint, Response, abort, current_app, request
from jinja2 import Environment

from mailsandbox.message import Summary
from mailsandbox_viewer.guard import refuse_foreign_origin
from mailsandbox_viewer.viewer import Viewer, current, number

blueprint = Blueprint("live", __name__)

_KEEP_ALIVE = 15.0
# How soon a stream notices that its browser has gone or that the viewer closes. Mail wakes it by itself.
_TICK = 0.5


@blueprint.get("/api/events")
def events() -> Response:
    refuse_foreign_origin()
    viewer = current()
    cursor = _cursor(viewer)
    if request.method == "HEAD":
        return Response(content_type="text/event-stream")
    if viewer.closing.is_set() or not viewer.take_stream():
        abort(Response("too many event streams are open\n", 503, {"Retry-After": "5", "Content-Type": "text/plain"}))
    gone = request.environ.get("waitress.client_disconnected", lambda: False)
    response = Response(_stream(viewer, current_app.jinja_env, cursor, gone), content_type="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    # Not in the generator, which is never entered for a browser that has gone by then.
    response.call_on_close(viewer.give_stream)
    return response


def _cursor(viewer: Viewer) -> int:
    """The id after which the stream begins: as the browser says, or now."""
    said = request.headers.get("Last-Event-ID") or request.args.get("after")
    if not said:
        return viewer.inbox.newest()
    cursor = number(said)
    if cursor is None:
        abort(400, "`after` must be the id of a message")
    return cursor


def _stream(viewer: Viewer, jinja: Environment, cursor: int, gone: Callable[[], bool]) -> Iterator[str]:
    # Something at once, so that a browser sees the stream open; a reconnect before any mail resumes here.
    yield f"retry: 1000\nid: {cursor}\n\n"
    last = time.monotonic()
    for batch in viewer.inbox.follow(cursor, heartbeat=_TICK):
        if viewer.closing.is_set() or gone():
            return
        if batch:
            unread = viewer.inbox.count(unread=True)
            for summary in batch:
                data = json.dumps(described(summary, jinja) | {"unread": unread})
                yield f"id: {summary.id}\nevent: message\ndata: {data}\n\n"
        elif time.monotonic() - last < _KEEP_ALIVE:
            continue
        else:
            yield ": keep-alive\n\n"
        last = time.monotonic()


def described(summary: Summary, jinja: Environment) -> dict[str, Any]:
    """A message as the viewer's scripts take it: a few values, and its row in the list."""
    return {
        "id": summary.id,
        "mailbox": summary.mailbox,
        "subject": summary.subject,
        "from": summary.sender or "",
        "recipients": list(summary.recipients),
        "size": summary.size,
        "received": summary.received_at.isoformat(),
        "html": jinja.get_template("_row.html").render(mail=summary),
    }
