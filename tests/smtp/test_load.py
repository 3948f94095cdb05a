"""Bulk, crowds and size: nothing lost, and memory that does not grow with what was sent."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailsandbox.store import SQLStore

ONE = b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nSubject: %d\r\n\r\n" + b"x" * 800 + b"\r\n.\r\n"


class Server:
    """`mailsandbox serve` over a file, as a process of its own."""

    def __init__(self, store: Path) -> None:
        words = ["serve", "--smtp", "127.0.0.1:0", "--no-viewer", "--store", str(store)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mailsandbox", *words], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().rpartition(":")[2])
        self.store = store

    def megabytes(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path / "mail.db")
    try:
        yield running
    finally:
        running.stop()


def subjects(server: Server) -> list[str]:
    server.stop()
    store = SQLStore(str(server.store))
    found: list[str] = []
    cursor = 0
    while page := store.messages_after(cursor, limit=1000):
        found += [message.raw.split(b"\r\n", 1)[0].decode() for message in page]
        cursor = page[-1].id
    store.close()
    return found


async def replies(reader: asyncio.StreamReader, count: int) -> list[bytes]:
    found: list[bytes] = []
    while len(found) < count:
        line = await reader.readline()
        assert line, "the connection was closed"
        if line[3:4] == b" ":
            found.append(line)
    return found


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory where Linux shows it")
def test_ten_thousand_mails_over_one_connection(server: Server) -> None:
    """Each is answered and kept, once and in order; memory stays as it was after the first thousand."""

    async def send() -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"EHLO x\r\n")
        await replies(reader, 2)
        memory = []
        for start in range(0, 10_000, 100):
            writer.write(b"".join(ONE % number for number in range(start, start + 100)))
            codes = {line[:3] for line in await replies(reader, 400)}
            assert codes == {b"250", b"354"}
            if start in (1_000, 9_900):
                memory.append(server.megabytes())
        writer.write(b"QUIT\r\n")
        await replies(reader, 1)
        writer.close()
        await writer.wait_closed()
        return memory

    early, late = asyncio.run(send())
    assert late - early < 20
    assert subjects(server) == [f"Subject: {number}" for number in range(10_000)]


def test_two_thousand_connections_two_hundred_at_a_time(server: Server) -> None:
    """Nobody is turned away, and nothing is lost."""

    async def one(number: int, crowd: asyncio.Semaphore) -> None:
        async with crowd:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            await replies(reader, 1)
            for line in (b"EHLO x\r\n", ONE % number, b"QUIT\r\n"):
                writer.write(line)
            found = await replies(reader, 6)
            assert [line[:3] for line in found] == [b"250", b"250", b"250", b"354", b"250", b"221"]
            writer.close()
            await writer.wait_closed()

    async def crowd() -> None:
        limit = asyncio.Semaphore(200)
        await asyncio.gather(*(one(number, limit) for number in range(2_000)))

    asyncio.run(crowd())
    assert sorted(subjects(server)) == sorted(f"Subject: {number}" for number in range(2_000))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory where Linux shows it")
@pytest.mark.parametrize(
    ("body", "most"),
    [
        pytest.param(b"\r\n" * (12 * 1024 * 1024), 300, id="24 MiB of empty lines"),
        pytest.param(b"x" * (25 * 1024 * 1024), 150, id="25 MiB in one line"),
    ],
)
def test_large_messages_are_bounded(server: Server, body: bytes, most: int) -> None:
    """One is kept whole, and does not cost many times its size."""

    async def send() -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        before = server.megabytes()
        writer.write(b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n")
        await replies(reader, 5)
        writer.write(body + b"\r\n.\r\n")
        assert (await replies(reader, 1))[0].startswith(b"250 ")
        growth = server.megabytes() - before
        writer.close()
        await writer.wait_closed()
        return growth

    assert asyncio.run(send()) < most
    server.stop()
    store = SQLStore(str(server.store))
    (message,) = store.messages_after(0)
    store.close()
    assert message.raw == body + b"\r\n"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory where Linux shows it")
def test_an_endless_message_costs_a_bounded_amount(server: Server) -> None:
    """Three times the limit without a line end: refused at its end, and never held."""

    async def send() -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        before = server.megabytes()
        writer.write(b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n")
        await replies(reader, 5)
        most = before
        for _ in range(150):
            writer.write(b"x" * 1024 * 1024)
            await writer.drain()
            most = max(most, server.megabytes())
        writer.write(b"\r\n.\r\nNOOP\r\n")
        found = await replies(reader, 2)
        assert [line[:3] for line in found] == [b"552", b"250"]
        writer.close()
        await writer.wait_closed()
        return most - before

    assert asyncio.run(send()) < 2 * 50 + 60
