"""The one door to a store: deliver, read, wait, follow.

Owns the thread that writes and the condition that wakes readers. The store is the truth: a notification only says "look
again", so nothing is lost when one comes late or a follower reconnects. Knows no SMTP and no mailbox.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

from mailsandbox.clock import monotonic
from mailsandbox.errors import Closed, StoreBusy
from mailsandbox.message import Message, Summary
from mailsandbox.store import Store

T = TypeVar("T")
# Messages in one transaction: enough to make the commit's cost small, few enough to keep the first one's wait short.
_GROUP = 256


class Inbox:
    """Delivers to and reads from one store; closes the store with itself."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._version = 0
        self._closed = False
        self._gate = threading.Lock()  # nothing is queued behind the end
        self._work: SimpleQueue[tuple[Message, Future[int]] | Callable[[], None] | None] = SimpleQueue()
        self._writer: threading.Thread | None = None
        if store.blocking:
            self._writer = threading.Thread(target=self._write, name="mailsandbox-writer", daemon=True)
            self._writer.start()

    # Writing -----------------------------------------------------------------------------------------------------

    def deliver(self, message: Message) -> Future[int]:
        """Keep `message`; the future has its id once it is committed and readers are told, or the StoreError."""
        future: Future[int] = Future()
        future.set_running_or_notify_cancel()  # nobody can take it back
        with self._gate:
            if self._closed:
                future.set_exception(Closed("the inbox is closed"))
                return future
            if self._writer is not None:
                self._work.put((message, future))
                return future
        self._commit([(message, future)])
        return future

    def mark_read(self, ids: Sequence[int] | None, read: bool = True) -> None:
        """Set the read mark of `ids`, or of all for None."""
        self._change(lambda: self._store.mark_read(ids, read))

    def delete(self, ids: Sequence[int] | None = None, *, mailbox: str | None = None) -> int:
        """Remove `ids`, or all (of `mailbox`) for None; how many there were."""
        return self._change(lambda: self._store.delete(ids, mailbox=mailbox))

    def _change(self, act: Callable[[], T]) -> T:
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(act())
            except Exception as error:
                future.set_exception(error)

        with self._gate:
            if self._closed:
                raise Closed("the inbox is closed")
            if self._writer is not None:
                self._work.put(work)
        if self._writer is None:
            work()
        result = future.result()
        self._tell()
        return result

    def _write(self) -> None:
        """The writer's life: whatever waits when it wakes goes into one transaction."""
        while (work := self._work.get()) is not None:
            group: list[tuple[Message, Future[int]]] = []
            after: list[Callable[[], None]] = []
            last = False
            while True:
                if isinstance(work, tuple):
                    group.append(work)
                elif work is not None:
                    after.append(work)
                if len(group) >= _GROUP or after or self._work.empty():
                    break
                if (work := self._work.get()) is None:
                    last = True
                    break
            if group:
                self._commit(group)
            for change in after:
                change()
            if last:
                return

    def _commit(self, group: list[tuple[Message, Future[int]]]) -> None:
        try:
            ids = self._store.add([message for message, _ in group])
        except Exception as error:
            if len(group) == 1 or isinstance(error, StoreBusy):
                for _, future in group:
                    future.set_exception(error)
            else:  # one bad message must not take its neighbours with it
                for one in group:
                    self._commit([one])
            return
        self._tell()
        for (_, future), id in zip(group, ids, strict=True):
            future.set_result(id)

    def _tell(self) -> None:
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    # Reading -----------------------------------------------------------------------------------------------------

    def page(
        self, mailbox: str | None = None, *, before: int | None = None, start: int = 0, limit: int = 50
    ) -> list[Summary]:
        """One page of a list, newest first."""
        return self._store.page(mailbox, before=before, start=start, limit=limit)

    def get(self, id: int) -> Message | None:
        return self._store.get(id)

    def newest(self) -> int:
        """The cursor that everything stored so far lies behind; 0 for an empty store."""
        return self._store.newest()

    def count(self, mailbox: str | None = None, *, unread: bool = False) -> int:
        return self._store.count(mailbox, unread=unread)

    def messages_after(self, cursor: int, mailbox: str | None = None) -> list[Message]:
        """Every message that came after `cursor`, whole, oldest first."""
        found: list[Message] = []
        while more := self._store.messages_after(cursor, mailbox):
            found += more
            cursor = more[-1].id
        return found

    # Waiting -----------------------------------------------------------------------------------------------------

    def wait_for(self, look: Callable[[], T | None], timeout: float) -> T | None:
        """What `look` returns once it is not None, or None after `timeout` seconds.

        `look` is called now and after each change, never under a lock.
        """
        deadline = monotonic() + timeout
        while True:
            seen = self._version
            if (found := look()) is not None:
                return found
            with self._changed:
                while self._version == seen and not self._closed:
                    left = deadline - monotonic()
                    if left <= 0:
                        return None
                    self._changed.wait(left)
                if self._closed:
                    return None

    def follow(self, after: int, *, heartbeat: float, mailbox: str | None = None) -> Iterator[list[Summary]]:
        """What comes after the cursor `after`, in order and without a gap, until the inbox closes.

        Yields an empty list at least every `heartbeat` seconds without news, so that a caller can notice that nobody
        listens any more.
        """
        while not self._closed:
            fresh = self._wait_after(after, mailbox, heartbeat)
            if fresh:
                after = fresh[-1].id
            yield fresh

    def _wait_after(self, cursor: int, mailbox: str | None, timeout: float) -> list[Summary]:
        return self.wait_for(lambda: self._store.summaries_after(cursor, mailbox, limit=100) or None, timeout) or []

    def close(self) -> None:
        """Commit what waits, wake every waiter and close the store; harmless when called again."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._work.put(None)
        with self._changed:
            self._changed.notify_all()
        if self._writer is not None:
            self._writer.join()
        self._store.close()

    @property
    def readable(self) -> bool:
        """Whether its messages can still be read: a memory store's can, closed or not."""
        return not (self._closed and self._store.blocking)
