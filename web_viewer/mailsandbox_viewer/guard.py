"""Who may call the viewer, and what a browser may do with an answer.

Owns the checks of Host, Origin and body size, and the security headers of every response. Knows no route
and no mail.

The viewer listens on this machine only, but every web page its user visits can send requests to it: by a
name that is made to resolve here (DNS rebinding, hence the check of Host) or by a form (hence Origin).
"""

import re
from collections.abc import Collection

from flask import Flask, Request, Response, abort, request

BODY_LIMIT = 5 * 1024 * 1024
_OWN_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]/@\s]+)(?::\d{1,5})?", re.IGNORECASE)
_READING = frozenset({"GET", "HEAD", "OPTIONS"})

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def protect(app: Flask, allowed_hosts: Collection[str]) -> None:
    """Put the checks before, and the headers after, everything that `app` answers."""
    allowed = _OWN_HOSTS | {host.lower() for host in allowed_hosts}
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT

    @app.before_request
    def check() -> None:
        _check_host(request, allowed)
        if request.method not in _READING:
            _check_origin(request)
        if (request.content_length or 0) > BODY_LIMIT:
            abort(413, f"a request may have {BODY_LIMIT} bytes at most")

    @app.after_request
    def harden(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["Cache-Control"] = "no-store"
        return response


def refuse_foreign_origin() -> None:
    """Refuse this request if another site's page sent it; for reads that are worth it."""
    _check_origin(request)


def _check_host(asked: Request, allowed: Collection[str]) -> None:
    host = asked.environ.get("HTTP_HOST", "")
    found = _HOST.fullmatch(host)
    if found is None:
        abort(400, "the Host header is missing or malformed")
    if found.group(1).lower() not in allowed:
        abort(
            421,
            f"this viewer does not answer to the host name {found.group(1)}; allow it when starting it",
        )


def _check_origin(asked: Request) -> None:
    if asked.headers.get("Sec-Fetch-Site", "").lower() in {"cross-site", "same-site"}:
        abort(403, "another site's page may not do this")
    origin = asked.headers.get("Origin")
    if origin is None:  # not a browser, or one that has just been asked by its user
        return
    scheme, _, netloc = origin.partition("://")
    if scheme.lower() not in {"http", "https"} or _plain(netloc) != _plain(asked.environ["HTTP_HOST"]):
        abort(403, "another site's page may not do this")


def _plain(netloc: str) -> str:
    """`netloc` in the form in which two are compared: browsers leave a scheme's own port out of an Origin."""
    return re.sub(r":(80|443)?$", "", netloc.lower())
