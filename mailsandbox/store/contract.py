"""What every store promises. `tests/contract` holds the suite that each must pass."""

from collections.abc import Sequence
from typing import Protocol

from mailsandbox.message import Message, Summary


class Store(Protocol):
    """Messages in the order of their commit, each under an id that grows and is never given twice.

    Any method may be called from any thread, but writes come from one thread at a time. `mailbox` None means all.
    """

    blocking: bool
    """Whether a write may wait for a disk or a server, so that it must not happen on an event loop."""

    def add(self, messages: Sequence[Message]) -> list[int]:
        """Keep all of `messages`, or none, and return their ids once they are safe. Raises StoreError, StoreFull."""
        ...

    def get(self, id: int) -> Message | None: ...

    def newest(self) -> int:
        """The highest id ever given; the cursor that everything stored so far lies behind. 0 at first."""
        ...

    def page(
        self, mailbox: str | None = None, *, before: int | None = None, start: int = 0, limit: int = 50
    ) -> list[Summary]:
        """Summaries newest first: of the messages older than `before`, `start` skipped."""
        ...

    def summaries_after(self, cursor: int, mailbox: str | None = None, *, limit: int = 1000) -> list[Summary]:
        """Summaries of what came after `cursor`, oldest first."""
        ...

    def messages_after(self, cursor: int, mailbox: str | None = None, *, limit: int = 1000) -> list[Message]:
        """What came after `cursor`, whole, oldest first."""
        ...

    def count(self, mailbox: str | None = None, *, unread: bool = False) -> int: ...

    def mark_read(self, ids: Sequence[int] | None, read: bool = True) -> None:
        """Set the read mark of `ids`, or of all for None; an unknown id is ignored."""
        ...

    def delete(self, ids: Sequence[int] | None = None, *, mailbox: str | None = None) -> int:
        """Remove `ids`, or all (of `mailbox`) for None, and return how many there were."""
        ...

    def close(self) -> None:
        """Let go of every resource; harmless when called again."""
        ...
