"""What every store must do."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailsandbox.message import Envelope, Message, Session
from mailsandbox.store import MemoryStore, SQLStore, Store


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened: Store = MemoryStore() if request.param == "memory" else SQLStore(str(tmp_path / "mail.db"))
    yield opened
    opened.close()


def mail(number: int = 0, mailbox: str = "box") -> Message:
    return Message(
        raw=b"Subject: mail %d\r\nTo: Ann <ann@shop.test>\r\n\r\nhello %d\x00\xff\r\n" % (number, number),
        envelope=Envelope("from@shop.test", ("ann@shop.test", "bcc@shop.test"), parameters=("SIZE=10",)),
        session=Session(id="s-1", peer="127.0.0.1:9", ehlo="client", esmtp=True),
        mailbox=mailbox,
        received_at=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
    )


def test_a_message_comes_back_as_it_was_added(store: Store) -> None:
    """Octets, envelope, session, mailbox and moment are kept; only the id is new."""
    [id] = store.add([mail()])
    kept = store.get(id)
    assert kept is not None
    given = mail()
    assert (kept.raw, kept.envelope, kept.session) == (given.raw, given.envelope, given.session)
    assert (kept.mailbox, kept.received_at, kept.read) == ("box", given.received_at, False)


def test_ids_grow_and_are_never_given_twice(store: Store) -> None:
    """The id is a cursor: deleting everything does not turn it back."""
    first = store.add([mail(n) for n in range(3)])
    assert first == sorted(set(first))
    assert store.delete() == 3
    assert store.newest() == first[-1]
    [later] = store.add([mail()])
    assert later > first[-1]


def test_pages_go_backwards_from_the_newest(store: Store) -> None:
    """A page is newest first, by cursor or by offset, without gap or repetition."""
    ids = store.add([mail(n) for n in range(7)])
    first = store.page(limit=3)
    second = store.page(limit=3, before=first[-1].id)
    assert [s.id for s in first + second] == ids[:0:-1]
    assert [s.id for s in store.page(start=5, limit=5)] == [ids[1], ids[0]]


def test_a_summary_says_what_a_list_shows(store: Store) -> None:
    """The same summary when it is first worked out and when it is read again."""
    store.add([mail(1)])
    [fresh], [again] = store.page(), store.page()
    assert fresh == again
    assert (fresh.subject, fresh.to, fresh.bcc) == ("mail 1", ("ann@shop.test",), ("bcc@shop.test",))
    assert fresh.to[0].name == "Ann"
    assert fresh.size == mail(1).size
    assert fresh.snippet.startswith("hello 1")


@pytest.mark.parametrize("read", ["summaries_after", "messages_after"])
def test_following_from_a_cursor(store: Store, read: str) -> None:
    """What came after a cursor, oldest first, of one mailbox or of all."""
    ids = store.add([mail(0, "a"), mail(1, "b"), mail(2, "a")])
    after: Callable[..., list[Message]] = getattr(store, read)
    assert [m.id for m in after(ids[0])] == ids[1:]
    assert [m.id for m in after(0, "a")] == [ids[0], ids[2]]
    assert [m.id for m in after(0, limit=1)] == ids[:1]
    assert after(ids[-1]) == []


def test_read_marks_and_counts(store: Store) -> None:
    """Marks are set by id or for all; unknown ids, however odd, are ignored."""
    ids = store.add([mail(0, "a"), mail(1, "b")])
    store.mark_read([ids[0], 999, -1, 2**70])
    assert (store.count(), store.count(unread=True), store.count("a", unread=True)) == (2, 1, 0)
    store.mark_read(None)
    assert store.count(unread=True) == 0
    store.mark_read(ids, read=False)
    assert store.count(unread=True) == 2


def test_deleting(store: Store) -> None:
    """By id (a repeated or unknown id counts once or not), by mailbox, or all."""
    ids = store.add([mail(n, "ab"[n % 2]) for n in range(6)])
    assert store.delete([ids[0], ids[0], 999]) == 1
    assert store.get(ids[0]) is None
    assert store.delete(mailbox="b") == 3
    assert [s.id for s in store.page()] == [ids[4], ids[2]]
    assert store.delete() == 2
    assert store.count() == 0


def test_nothing_there(store: Store) -> None:
    """An empty store answers everything."""
    assert (store.get(1), store.newest(), store.page(), store.count(), store.delete()) == (None, 0, [], 0, 0)


def test_closing_twice(store: Store) -> None:
    """Closing again is harmless."""
    store.close()
    store.close()
