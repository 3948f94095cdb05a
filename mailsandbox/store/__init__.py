"""Where captured mail is kept.

Owns the `Store` contract and the choice of an implementation by its address. A store knows messages and nothing above
them: no mailbox logic, no sockets, no waiting.
"""

from typing import TYPE_CHECKING

from mailsandbox.store.contract import Store
from mailsandbox.store.memory import MemoryStore

if TYPE_CHECKING:
    from mailsandbox.store.sql import SQLStore


def __getattr__(name: str) -> object:
    if name != "SQLStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mailsandbox.store.sql import SQLStore  # SQLAlchemy takes a third of a second to import; tests do without

    return SQLStore


def open_store(where: str | None) -> Store:
    """The store at `where`: None for memory, else a SQLite file's path or a `sqlite:///` URL.

    Raises StoreError when it cannot be opened.
    """
    if where is None:
        return MemoryStore()
    from mailsandbox.store.sql import SQLStore

    return SQLStore(where)


__all__ = ["MemoryStore", "SQLStore", "Store", "open_store"]
