"""Microblog, the reference application: people who write posts, follow each other and get mail about it.

It owns a small Flask application in the shape of Flask's own tutorial, and the ways such an application can
send its mail. It knows Flask and Flask-Mail. It must not know what captures or tests that mail: it is the
application under test, and sends exactly what it would send to a real server.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from . import auth, avatar, blog, db, mail, newsletter, sending

__all__ = ["create_app"]


def create_app(test_config: Mapping[str, Any] | None = None) -> Flask:
    """Make one application; the keys of `test_config` win over the defaults."""
    app = Flask(__name__, instance_relative_config=True)
    app.config.from_mapping(
        SECRET_KEY="dev",
        DATABASE=Path(app.instance_path) / "microblog.sqlite",
        MAIL_SERVER=os.environ.get("MAIL_SERVER", "127.0.0.1"),
        MAIL_PORT=int(os.environ.get("MAIL_PORT", "8025")),
        MAIL_DEFAULT_SENDER=("Microblog", "no-reply@microblog.example"),
        MAIL_SENDING=os.environ.get("MAIL_SENDING", "sync"),
    )
    app.config.from_mapping(test_config)

    # Flask-Mail copies its settings here and never looks at app.config again: configuration comes first.
    mail.mail.init_app(app)
    sending.init_app(app)
    db.init_app(app)
    for module in (auth, avatar, blog, newsletter):
        app.register_blueprint(module.bp)
    app.add_url_rule("/", endpoint="index")
    return app
