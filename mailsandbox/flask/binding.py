"""Points an application at a mailbox, and back.

Flask-Mail freezes its settings into `app.extensions["mail"]` when it is initialised and never looks at `app.config`
again, so a binding changes that object in place; the config is changed too, for an extension that is initialised later.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

_MISSING = object()
# The fields of Flask-Mail's frozen state, by the setting each was read from.
_FIELDS = {
    "MAIL_SERVER": "server",
    "MAIL_PORT": "port",
    "MAIL_USE_TLS": "use_tls",
    "MAIL_USE_SSL": "use_ssl",
    "MAIL_USERNAME": "username",
    "MAIL_PASSWORD": "password",
    "MAIL_SUPPRESS_SEND": "suppress",
}


class Binding:
    """An application whose mail goes by `settings` until `undo`."""

    def __init__(self, app: "Flask", settings: Mapping[str, Any]) -> None:
        self.app = app
        self._config = {key: app.config.get(key, _MISSING) for key in settings}
        self._state = app.extensions.get("mail")
        self._fields: dict[str, Any] = {}
        app.config.update(settings)
        for key, field in _FIELDS.items():
            if self._state is not None and hasattr(self._state, field):
                self._fields[field] = getattr(self._state, field)
                setattr(self._state, field, settings[key])

    def undo(self) -> None:
        """Put everything back as it was."""
        for key, value in self._config.items():
            if value is _MISSING:
                self.app.config.pop(key, None)
            else:
                self.app.config[key] = value
        for field, value in self._fields.items():
            setattr(self._state, field, value)
