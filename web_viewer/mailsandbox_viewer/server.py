"""The HTTP server of the viewer, and of the demo beside it.

Owns the listening socket and the threads, and is the only module that knows waitress. Knows no route.
"""

import threading
from typing import Any

from flask import Flask
from waitress import create_server, wasyncore

from mailsandbox.listen import bind
from mailsandbox_viewer.guard import BODY_LIMIT
from mailsandbox_viewer.viewer import STREAM_LIMIT, Viewer

# What is left for pages when every stream is open.
_PAGE_THREADS = 16


class ViewerServer:
    """Serves `app` on `host` and `port`; port 0 takes a free one. Bound once made; answers once started."""

    def __init__(self, app: Flask, host: str = "127.0.0.1", port: int = 8026) -> None:
        self._viewer: Viewer | None = app.extensions.get("mailsandbox")
        listening = bind(host, port)
        self.address: tuple[str, int] = listening.getsockname()[:2]
        try:
            self._server: Any = create_server(
                app,
                sockets=[listening],
                ident=None,
                threads=STREAM_LIMIT + _PAGE_THREADS,
                channel_request_lookahead=1,  # read on while a stream is open: how its end is noticed
                connection_limit=500,
                max_request_body_size=BODY_LIMIT + 1,
                clear_untrusted_proxy_headers=True,
                asyncore_use_poll=True,
            )
        except BaseException:
            listening.close()
            raise
        self._loop: threading.Thread | None = None
        self._closed = False

    @property
    def url(self) -> str:
        host, port = self.address
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    def start(self) -> None:
        """Answer requests, in threads of its own; harmless when called again."""
        if self._loop is not None:  # two loops over one set of sockets would read each other's requests
            return
        self._loop = threading.Thread(target=self._server.run, name="mailsandbox-viewer", daemon=True)
        self._loop.start()

    def close(self) -> None:
        """Stop listening, end what is open, and wait for the threads. Harmless twice."""
        if self._closed:
            return
        self._closed = True
        if self._viewer is not None:
            self._viewer.closing.set()
        self._in_loop(self._drop_connections)
        # The workers may pull the trigger until they are gone, so it is closed after them.
        self._server.task_dispatcher.shutdown()
        self._in_loop(self._server.trigger.close)
        if self._loop is not None:
            self._loop.join()

    def __enter__(self) -> "ViewerServer":
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _in_loop(self, action: Any) -> None:
        """Do `action` in the thread that owns the sockets, and wait for it."""
        if self._loop is None:
            action()
            return
        done = threading.Event()

        def act() -> None:
            try:
                action()
            finally:
                done.set()

        self._server.trigger.pull_trigger(act)
        done.wait(5)

    def _drop_connections(self) -> None:
        wasyncore.dispatcher.close(self._server)
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
