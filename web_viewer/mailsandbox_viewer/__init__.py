"""The web viewer: an inbox in a browser, and its JSON API.

Owns the putting together of the application. It knows inboxes and messages, and must not know a store,
SMTP or who started it.
"""

from collections.abc import Collection

from flask import Flask

from mailsandbox.inbox import Inbox
from mailsandbox_viewer import api, document, guard, live, pages
from mailsandbox_viewer.server import ViewerServer
from mailsandbox_viewer.viewer import Viewer

__all__ = ["ViewerServer", "create_app"]


def create_app(inbox: Inbox, *, smtp: str = "127.0.0.1:8025", allowed_hosts: Collection[str] = ()) -> Flask:
    """The viewer of `inbox` as a WSGI application.

    `smtp` is the address the empty page tells its reader to send to; `allowed_hosts` are the names, beyond
    those of this machine, by which a browser may call the viewer.
    """
    app = Flask(__name__)
    app.extensions["mailsandbox"] = Viewer(inbox, smtp)
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    guard.protect(app, allowed_hosts)
    pages.install(app)
    app.register_blueprint(api.blueprint)
    app.register_blueprint(document.blueprint)
    app.register_blueprint(live.blueprint)
    return app
