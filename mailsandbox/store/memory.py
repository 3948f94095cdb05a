"""The store of a test run: messages in a dict, gone with the process."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from threading import Lock

from mailsandbox.message import Message, Summary


class MemoryStore:
    """Keeps messages in memory. Never waits, so it may be written on the event loop."""

    blocking = False

    def __init__(self) -> None:
        self._lock = Lock()
        self._messages: dict[int, Message] = {}  # in the order of their ids
        self._newest = 0

    def add(self, messages: Sequence[Message]) -> list[int]:
        with self._lock:
            ids = []
            for message in messages:
                self._newest += 1
                self._messages[self._newest] = replace(message, id=self._newest)
                ids.append(self._newest)
            return ids

    def get(self, id: int) -> Message | None:
        return self._messages.get(id)

    def newest(self) -> int:
        return self._newest

    def _newest_first(self, mailbox: str | None, before: int | None = None) -> Iterator[Message]:
        with self._lock:
            messages = list(self._messages.values())
        return (
            message
            for message in reversed(messages)
            if mailbox in (None, message.mailbox) and (before is None or message.id < before)
        )

    def page(
        self, mailbox: str | None = None, *, before: int | None = None, start: int = 0, limit: int = 50
    ) -> list[Summary]:
        return [_summary(m) for m in islice(self._newest_first(mailbox, before), start, start + limit)]

    def messages_after(self, cursor: int, mailbox: str | None = None, *, limit: int = 1000) -> list[Message]:
        found = []
        for message in self._newest_first(mailbox):
            if message.id <= cursor:
                break
            found.append(message)
        return found[::-1][:limit]

    def summaries_after(self, cursor: int, mailbox: str | None = None, *, limit: int = 1000) -> list[Summary]:
        return [_summary(message) for message in self.messages_after(cursor, mailbox, limit=limit)]

    def count(self, mailbox: str | None = None, *, unread: bool = False) -> int:
        return sum(1 for message in self._newest_first(mailbox) if not (unread and message.read))

    def mark_read(self, ids: Sequence[int] | None, read: bool = True) -> None:
        with self._lock:
            for id in list(self._messages) if ids is None else ids:
                if id in self._messages:
                    self._messages[id] = replace(self._messages[id], read=read)

    def delete(self, ids: Sequence[int] | None = None, *, mailbox: str | None = None) -> int:
        with self._lock:
            doomed = [
                id
                for id in (list(self._messages) if ids is None else dict.fromkeys(ids))
                if id in self._messages and mailbox in (None, self._messages[id].mailbox)
            ]
            for id in doomed:
                del self._messages[id]
            return len(doomed)

    def close(self) -> None:
        """Nothing to let go of: what a test holds stays readable."""


def _summary(message: Message) -> Summary:
    return Summary.build(
        digest=Summary.digest(message),
        id=message.id,
        mailbox=message.mailbox,
        received_at=message.received_at,
        size=message.size,
        read=message.read,
        reverse_path=message.envelope.reverse_path,
        recipients=message.envelope.recipients,
    )
