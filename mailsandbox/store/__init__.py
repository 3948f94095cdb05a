"""Where captured mail is kept.

Owns the `Store` contract and the choice of an implementation by its address. A store knows messages and nothing above
them: no mailbox logic, no sockets, no waiting.
"""

from mailsandbox.store.contract import Store
from mailsandbox.store.memory import MemoryStore
from mailsandbox.store.sql import SQLStore


def open_store(where: str | None) -> Store:
    """The store at `where`: None for memory, else a SQLite file's path or a `sqlite:///` URL.

    Raises StoreError when it cannot be opened.
    """
    return MemoryStore() if where is None else SQLStore(where)


__all__ = ["MemoryStore", "SQLStore", "Store", "open_store"]
