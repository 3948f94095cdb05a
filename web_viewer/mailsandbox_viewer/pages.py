"""The pages that people see, complete without a script.

Owns routes, templates' values and the page an error is shown on. Knows no SMTP and no store; a mail's own
HTML is `document`'s.
"""

from datetime import datetime
from typing import Any

from flask import Blueprint, Flask, Response, abort, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WerkzeugResponse

from mailsandbox.message import Message, Summary
from mailsandbox_viewer import api
from mailsandbox_viewer.viewer import current, message_or_404, number

blueprint = Blueprint("pages", __name__)

PAGE = 50
VIEWS = {
    "html": "HTML",
    "text": "Text",
    "headers": "Headers",
    "envelope": "Envelope",
    "transcript": "SMTP",
    "source": "Source",
}
# A page with more than this makes a browser slow; the download is complete.
_SOURCE_LIMIT = 400_000


def install(app: Flask) -> None:
    """Give `app` the pages, their filters and their errors."""
    app.register_blueprint(blueprint)
    app.add_template_filter(size_text, "size")
    app.add_template_filter(moment_text, "moment")
    app.register_error_handler(HTTPException, _error)


@blueprint.get("/")
def index() -> Response:
    viewer = current()
    before = _argument("before")
    # Read before the rows: mail that comes in between is then told twice to the script, which knows its
    # rows by id, and never missed.
    newest = viewer.inbox.newest()
    listed, more = _rows(before)
    host, _, port = viewer.smtp.rpartition(":")
    return _page(
        "list.html",
        mails=listed,
        more=more,
        before=before,
        newest=newest,
        total=viewer.inbox.count(),
        unread=viewer.inbox.count(unread=True),
        smtp_host=host.strip("[]"),
        smtp_port=port,
    )


@blueprint.get("/rows")
def rows() -> Response:
    """The rows newer than `after`, newest first; a whole page of them means that there may be more."""
    after = _argument("after") or 0
    listed = [mail for mail in current().inbox.page(limit=PAGE) if mail.id > after]
    response = _page("_rows.html", mails=listed)
    response.headers["X-Rows"] = str(len(listed))
    response.headers["X-Unread"] = str(current().inbox.count(unread=True))
    return response


@blueprint.get("/message/<ref>")
def message(ref: str) -> Response:
    mail = message_or_404(ref)
    current().inbox.mark_read([mail.id])
    view = request.args.get("view") or ("html" if mail.html else "text")
    if view not in VIEWS:
        abort(404, f"a message is shown as one of: {', '.join(VIEWS)}")
    return _page(
        "message.html",
        mail=mail,
        view=view,
        views={name: label for name, label in VIEWS.items() if name != "html" or mail.html},
        source=_source(mail) if view == "source" else "",
        cut=len(mail.raw) > _SOURCE_LIMIT,
        neighbours=_neighbours(mail.id),
    )


@blueprint.post("/delete")
def delete_all() -> WerkzeugResponse:
    current().inbox.delete(None)
    return redirect(url_for("pages.index"), 303)


@blueprint.post("/read")
def read_all() -> WerkzeugResponse:
    current().inbox.mark_read(None)
    return redirect(url_for("pages.index"), 303)


@blueprint.post("/message/<ref>/delete")
def delete(ref: str) -> WerkzeugResponse:
    current().inbox.delete([message_or_404(ref).id])
    return redirect(url_for("pages.index"), 303)


def size_text(octets: int) -> str:
    """`octets` as a person reads it."""
    if octets < 1000:
        return f"{octets} B"
    if octets < 999_500:
        return f"{octets / 1000:.1f} kB" if octets < 10_000 else f"{octets / 1000:.0f} kB"
    return f"{octets / 1_000_000:.1f} MB"


def moment_text(moment: datetime) -> str:
    """`moment`, which is in UTC, as shown where no script turns it into the reader's own time."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _page(template: str, **values: Any) -> Response:
    # Mail may hold what no encoding has (lone surrogates); a page shows it as "?" rather than fail.
    return Response(
        render_template(template, **values).encode("utf-8", "replace"),
        content_type="text/html; charset=utf-8",
    )


def _argument(name: str) -> int | None:
    said = request.args.get(name)
    value = None if said is None else number(said)
    if said is not None and value is None:
        abort(400, f"`{name}` must be the id of a message")
    return value


def _rows(before: int | None) -> tuple[list[Summary], bool]:
    """One page of the list, and whether there are older ones."""
    found = current().inbox.page(before=before, limit=PAGE + 1)
    return found[:PAGE], len(found) > PAGE


def _neighbours(id_: int) -> dict[str, int | None]:
    older = current().inbox.page(before=id_, limit=1)
    # Ids are not gapless once mail has been deleted; the next page up is near enough to look through.
    newer = [mail.id for mail in current().inbox.page(before=id_ + PAGE, limit=PAGE) if mail.id > id_]
    return {"older": older[0].id if older else None, "newer": min(newer, default=None)}


def _source(mail: Message) -> str:
    cut = mail.raw[:_SOURCE_LIMIT]
    try:
        return cut.decode("utf-8")
    except UnicodeDecodeError:
        return cut.decode("latin-1")


def _error(problem: HTTPException) -> WerkzeugResponse:
    if problem.response is not None or (problem.code or 500) < 400:
        return problem.get_response()
    if request.path.startswith("/api/"):
        return api.error(problem)
    response = _page("error.html", code=problem.code, name=problem.name, description=problem.description)
    response.status_code = problem.code or 500
    return response
