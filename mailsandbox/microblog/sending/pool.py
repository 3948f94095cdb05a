"""A few threads of the application's own: the request returns at once, and a rush of mail keeps to a few."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from flask import current_app
from flask_mail import Message

from .background import send_in_background
from .sender import Sender


class PoolSender(Sender):
    def __init__(self) -> None:
        # The executor starts its threads as mail comes, so a server may still fork after create_app. At exit
        # Python lets it finish its queue, and when the application is gone its threads end too.
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="microblog-mail")

    def send(self, messages: Sequence[Message]) -> None:
        # current_app is a proxy that means nothing in another thread: hand over the application behind it.
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        for message in messages:
            self._pool.submit(send_in_background, app, message)

    def close(self) -> None:
        self._pool.shutdown(wait=True)
