"""The store of a server: one SQLite file, through SQLAlchemy Core.

The only module that knows SQLAlchemy. A message is its row (envelope, session, marks) and its octets, which stand in a
table of their own so that no list ever reads them. What a list shows costs reading the mail, so it is worked out when a
list first needs it and kept (`digest`); a 250 never waits for it.

Durability: WAL with synchronous=FULL, so a commit has reached the disk; group commit makes that cheap. Writes are
BEGIN IMMEDIATE, because a deferred transaction that turns to writing fails under contention whatever its timeout.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Row
from sqlalchemy.pool import PoolProxiedConnection

from mailsandbox.errors import Closed, StoreBusy, StoreError, StoreFull
from mailsandbox.message import Envelope, Message, Session, Summary

SCHEMA_VERSION = 1
_APPLICATION_ID = 0x4D534258  # "MSBX", in the file's header: whose file this is

_metadata = sa.MetaData()
_messages = sa.Table(
    "messages",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("mailbox", sa.Text, nullable=False),
    sa.Column("received_at", sa.BigInteger, nullable=False),  # microseconds since the epoch, UTC
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("read", sa.Boolean, nullable=False, default=False),
    sa.Column("envelope", sa.Text, nullable=False),
    sa.Column("session", sa.Text, nullable=False),
    sa.Column("digest", sa.Text),
    sa.Index("messages_by_mailbox", "mailbox", "id"),
    sa.Index("messages_unread", "mailbox", sqlite_where=sa.text("read = 0")),
    sqlite_autoincrement=True,  # an id must never be given twice: it is the cursor that followers resume from
)
_octets = sa.Table(
    "octets",
    _metadata,
    sa.Column("id", sa.Integer, sa.ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("raw", sa.LargeBinary, nullable=False),
)
_LISTED = [column for column in _messages.c if column.name != "session"]
_ADD_MESSAGES = "INSERT INTO messages (mailbox, received_at, size, read, envelope, session) VALUES (?, ?, ?, ?, ?, ?)"
_ADD_OCTETS = "INSERT INTO octets (id, raw) VALUES (?, ?)"
_PATIENCE = 5.0  # seconds to wait for another program that is writing
_LARGE = 1024 * 1024  # octets; from here on a message is written piece by piece
_ROWS = 100  # of 6 variables each
# SQLite takes 32,766 variables in one statement, and older builds 999.
_CHUNK = 500


def _url(where: str) -> sa.URL:
    if "://" not in where:
        return sa.URL.create("sqlite", database=str(Path(where).absolute()))
    try:
        url = sa.make_url(where)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise StoreError(f"{where!r} is not a store: give a file name or a URL such as sqlite:///mail.db") from error
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        shown = url.render_as_string(hide_password=True)
        raise StoreError(f"{shown!r} is not a store this version knows: give a file name or sqlite:///FILE")
    return url


class SQLStore:
    """Keeps messages in the SQLite file at `where` (a path or a `sqlite:///` URL), which is made when missing.

    Raises StoreError when the file cannot be opened or written, is no database, or is not one of ours.
    """

    blocking = True

    def __init__(self, where: str) -> None:
        url = _url(where)
        self.file = str(url.database)
        self._closed = False
        self._adding_alone = Lock()
        self._adder: PoolProxiedConnection | None = None  # kept: fetching one from the pool costs a third of an add
        self._engine = sa.create_engine(url, connect_args={"timeout": _PATIENCE, "check_same_thread": False})
        event.listen(self._engine, "connect", _configure)
        event.listen(self._engine, "begin", _begin)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        try:
            with self._writing() as connection:
                application = connection.exec_driver_sql("PRAGMA application_id").scalar()
                version = connection.exec_driver_sql("PRAGMA user_version").scalar() or 0
                tables = sa.inspect(connection).get_table_names()
                if application != _APPLICATION_ID and (tables or application):
                    raise StoreError(f"{self.file} is a database of another program; give another file")
                if version > SCHEMA_VERSION:
                    raise StoreError(
                        f"{self.file} was written by a newer mailsandbox (its schema is {version}, this one knows "
                        f"{SCHEMA_VERSION}); upgrade mailsandbox or give another file"
                    )
                if not tables:
                    _metadata.create_all(connection)
                    connection.exec_driver_sql(f"PRAGMA application_id = {_APPLICATION_ID}")
                    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
        except StoreFull:
            raise
        except StoreError as error:
            if isinstance(error.__cause__, sa.exc.SQLAlchemyError):
                raise StoreError(_unopened(self.file, error.__cause__)) from error.__cause__
            raise

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        self._check_open()
        with _errors(self.file), self._engine.connect() as connection:
            yield connection

    def _check_open(self) -> None:
        if self._closed:
            raise Closed(f"{self.file} is closed")

    @contextmanager
    def _writing(self, *, patient: bool = True) -> Iterator[Connection]:
        """A write transaction; one that is not patient fails at once where another program is writing."""
        self._check_open()
        with _errors(self.file):
            options = {"mailsandbox_write": True}
            with self._engine.connect().execution_options(**options) as connection:
                driver = cast(sqlite3.Connection, connection.connection.driver_connection)
                driver.execute(f"PRAGMA busy_timeout = {_PATIENCE * 1000 * patient:.0f}")
                try:
                    with connection.begin():
                        yield connection
                finally:
                    driver.execute(f"PRAGMA busy_timeout = {_PATIENCE * 1000:.0f}")

    def add(self, messages: Sequence[Message]) -> list[int]:
        ids: list[int] = []
        with self._adding() as cursor:
            for start in range(0, len(messages), _ROWS):
                ids += self._add(cursor, messages[start : start + _ROWS])
        return ids

    @contextmanager
    def _adding(self) -> Iterator[sqlite3.Cursor]:
        """A write transaction on the driver's own cursor.

        Adding is what happens while a client waits: composing its statements anew costs several times the commit.
        """
        self._check_open()
        with self._adding_alone, _errors(self.file):
            if self._adder is None:
                self._adder = self._engine.raw_connection()
            connection = cast(sqlite3.Connection, self._adder.driver_connection)
            cursor = connection.cursor()
            try:
                cursor.execute("BEGIN IMMEDIATE")
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise

    @staticmethod
    def _add(cursor: sqlite3.Cursor, messages: Sequence[Message]) -> list[int]:
        # One statement for all rows: each statement lets go of the interpreter's lock and has to win it back.
        rows = [value for message in messages for value in _row(message)]
        cursor.execute(_ADD_MESSAGES + ", (?, ?, ?, ?, ?, ?)" * (len(messages) - 1), rows)
        # AUTOINCREMENT in one write transaction: nobody else can have taken an id between these.
        last = cast(int, cursor.lastrowid)
        ids = list(range(last - len(messages) + 1, last + 1))
        small = [value for id, m in zip(ids, messages, strict=True) if m.size < _LARGE for value in (id, m.raw)]
        if small:
            cursor.execute(_ADD_OCTETS + ", (?, ?)" * (len(small) // 2 - 1), small)
        for id, message in zip(ids, messages, strict=True):
            if message.size >= _LARGE:
                _add_large(cursor, id, message.raw)
        return ids

    @staticmethod
    def _newest(connection: Connection) -> int:
        found = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").scalar()
        return int(found or 0)

    def newest(self) -> int:
        with self._reading() as connection:
            return self._newest(connection)

    def get(self, id: int) -> Message | None:
        found = self._messages(_messages.c.id == id)
        return found[0] if found else None

    def _messages(self, *where: sa.ColumnElement[bool], limit: int = 1) -> list[Message]:
        query = sa.select(_messages, _octets.c.raw).join(_octets, _octets.c.id == _messages.c.id)
        with self._reading() as connection:
            rows = connection.execute(query.where(*where).order_by(_messages.c.id).limit(limit)).all()
        return [_message(row) for row in rows]

    def messages_after(self, cursor: int, mailbox: str | None = None, *, limit: int = 1000) -> list[Message]:
        return self._messages(_messages.c.id > cursor, *_of(mailbox), limit=limit)

    def page(
        self, mailbox: str | None = None, *, before: int | None = None, start: int = 0, limit: int = 50
    ) -> list[Summary]:
        query = sa.select(*_LISTED).where(*_of(mailbox)).order_by(_messages.c.id.desc()).offset(start).limit(limit)
        return self._summaries(query if before is None else query.where(_messages.c.id < before))

    def summaries_after(self, cursor: int, mailbox: str | None = None, *, limit: int = 1000) -> list[Summary]:
        query = sa.select(*_LISTED).where(_messages.c.id > cursor, *_of(mailbox))
        return self._summaries(query.order_by(_messages.c.id).limit(limit))

    def _summaries(self, query: sa.Select[Any]) -> list[Summary]:
        with self._reading() as connection:
            rows = connection.execute(query).all()
        digests = {row.id: json.loads(row.digest) for row in rows if row.digest}
        missing = [row.id for row in rows if not row.digest]
        fresh: dict[int, dict[str, Any]] = {}
        for id in missing:  # one at a time: a page of large mails is never in memory together
            if (message := self.get(id)) is not None:
                fresh[id] = Summary.digest(message)
        if fresh:
            self._keep(fresh)
        digests |= fresh
        return [_summary(row, digests[row.id]) for row in rows if row.id in digests]

    def _keep(self, digests: dict[int, dict[str, Any]]) -> None:
        statement = _messages.update().where(_messages.c.id == sa.bindparam("key")).values(digest=sa.bindparam("fresh"))
        try:
            with self._writing(patient=False) as connection:
                connection.execute(
                    statement, [{"key": id, "fresh": json.dumps(digest)} for id, digest in digests.items()]
                )
        except StoreError:
            pass  # neither a full disk nor a writer may stop a reader; the digest is worked out again next time

    def count(self, mailbox: str | None = None, *, unread: bool = False) -> int:
        query = sa.select(sa.func.count()).select_from(_messages).where(*_of(mailbox))
        with self._reading() as connection:
            # literal, so that SQLite recognises the condition of its partial index
            return connection.execute(query.where(sa.text("read = 0")) if unread else query).scalar_one()

    def mark_read(self, ids: Sequence[int] | None, read: bool = True) -> None:
        statement = _messages.update().values(read=read).where(_messages.c.read != read)
        with self._writing() as connection:
            for where in _chunks(ids):
                connection.execute(statement.where(*where))

    def delete(self, ids: Sequence[int] | None = None, *, mailbox: str | None = None) -> int:
        statement = _messages.delete().where(*_of(mailbox))
        with self._writing() as connection:
            return sum(connection.execute(statement.where(*where)).rowcount for where in _chunks(ids))

    def close(self) -> None:
        self._closed = True
        with self._adding_alone:
            if self._adder is not None:
                self._adder.close()
                self._adder = None
        self._engine.dispose()


def _chunks(ids: Sequence[int] | None) -> Iterator[tuple[sa.ColumnElement[bool], ...]]:
    if ids is None:
        yield ()
        return
    known = [id for id in dict.fromkeys(ids) if 0 < id < 2**63]
    for start in range(0, len(known), _CHUNK):
        yield (_messages.c.id.in_(known[start : start + _CHUNK]),)


def _of(mailbox: str | None) -> tuple[sa.ColumnElement[bool], ...]:
    return () if mailbox is None else (_messages.c.mailbox == mailbox,)


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)


def _row(message: Message) -> tuple[int | str, ...]:
    return (
        message.mailbox,
        _microseconds(message.received_at),
        message.size,
        message.read,
        json.dumps(message.envelope.as_dict()),
        json.dumps(message.session.as_dict()),
    )


def _add_large(cursor: sqlite3.Cursor, id: int, raw: bytes) -> None:
    """Write `raw` piece by piece: given whole, SQLite copies it twice, the first time with the interpreter stopped."""
    cursor.execute("INSERT INTO octets (id, raw) VALUES (?, zeroblob(?))", (id, len(raw)))
    with cursor.connection.blobopen("octets", "raw", id) as blob, memoryview(raw) as view:
        for start in range(0, len(view), _LARGE):
            blob.write(view[start : start + _LARGE])


def _message(row: Row[Any]) -> Message:
    return Message(
        raw=row.raw,
        envelope=Envelope.from_dict(json.loads(row.envelope)),
        session=Session.from_dict(json.loads(row.session)),
        mailbox=row.mailbox,
        id=row.id,
        received_at=_moment(row.received_at),
        read=row.read,
    )


def _summary(row: Row[Any], digest: dict[str, Any]) -> Summary:
    envelope = json.loads(row.envelope)
    return Summary.build(
        digest=digest,
        id=row.id,
        mailbox=row.mailbox,
        received_at=_moment(row.received_at),
        size=row.size,
        read=row.read,
        reverse_path=envelope["reverse_path"],
        recipients=tuple(envelope["recipients"]),
    )


def _configure(connection: sqlite3.Connection, record: object) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin`, not guessed by the driver
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "journal_size_limit = 67108864",
        "wal_autocheckpoint = 4000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("mailsandbox_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def _errors(file: str) -> Iterator[None]:
    """Whatever SQLite raises, as one of our errors."""
    try:
        yield
    except (sa.exc.DBAPIError, sqlite3.Error) as error:
        text = str(getattr(error, "orig", error))
        if "full" in text or "disk I/O error" in text:
            raise StoreFull(f"{file}: no room ({text})") from error
        if "locked" in text:
            raise StoreBusy(f"{file}: another program is writing to it ({text})") from error
        raise StoreError(f"{file}: {text}") from error
    except (sa.exc.SQLAlchemyError, UnicodeError, OverflowError) as error:
        raise StoreError(f"{file}: {error}") from error


def _unopened(file: str, error: BaseException) -> str:
    text = str(getattr(error, "orig", error))
    if "not a database" in text or "malformed" in text:
        return f"{file} is not a SQLite database, or a damaged one; it was left as it is: give another file"
    if Path(file).is_dir():
        return f"{file} is a directory; give a file in it, such as {Path(file) / 'mail.db'}"
    if "readonly" in text or "unable to open" in text:
        return f"{file} cannot be opened for writing: check its folder and permissions, or give another file"
    if "locked" in text:
        return f"{file} is in use by another program: stop that one or give another file"
    return f"{file} cannot be opened: {text}"
