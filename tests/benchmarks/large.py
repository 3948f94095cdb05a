"""One large message: the memory it costs, and how long it keeps another client waiting."""

import re
import smtplib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.benchmarks.peers import mailsandbox
from tests.benchmarks.table import Figure, Result

_SIZE = 25 * 1024 * 1024
# An attachment as it is on the wire.
_SEND = """
import smtplib, sys
port, size = map(int, sys.argv[1:])
message = b"Subject: large\\r\\n\\r\\n" + (b"QUJD" * 19 + b"\\r\\n") * (size // 78)
with smtplib.SMTP("127.0.0.1", port) as client:
    client.sendmail("app@shop.test", ["ann@shop.test"], message)
"""


def measure(rounds: int) -> Result:
    title, columns = "One 25 MB message", ["", "median"]
    if not Path("/proc/self/status").exists():
        return Result(title, "", columns, [], missing=["all of it: memory is read where Linux shows it"])
    times, pauses = [], []
    for _ in range(rounds):
        growth, pause = _one()
        times.append(growth / _SIZE)
        pauses.append(pause * 1000)
    memory, longest = statistics.median(times), statistics.median(pauses)
    rows = [["most memory beyond that before it, in sizes of the message", f"{memory:.1f} x"]]
    rows += [["longest wait of another client's NOOP", f"{longest:.0f} ms"]]
    about = (
        f"Median of {rounds} rounds, each with a server of its own over a SQLite file: one client sends the message, "
        "another says NOOP as fast as it is answered. Both clients run on the same cores as the server."
    )
    figures = [
        Figure("one 25 MB message: memory", memory, "x", 3, 2, "less"),
        Figure("one 25 MB message: longest pause of another session", longest, "ms", 50, 10, "less"),
    ]
    return Result(title, about, columns, rows, figures)


def _one() -> tuple[float, float]:
    """Octets of memory, and seconds of the longest pause."""
    with tempfile.TemporaryDirectory() as folder:
        peer = mailsandbox(Path(folder) / "mail.db")
        with peer.running() as port, smtplib.SMTP("127.0.0.1", port) as other:
            status = Path(f"/proc/{_process(port)}/status")
            before = _kilobytes(status, "VmRSS")
            status.with_name("clear_refs").write_text("5")  # the high-water mark begins anew

            # A process of its own: preparing 25 MB would hold this interpreter, and with it the clock.
            sender = subprocess.Popen([sys.executable, "-c", _SEND, str(port), str(_SIZE)])
            longest = 0.0
            while sender.poll() is None:
                start = time.perf_counter()
                other.noop()
                longest = max(longest, time.perf_counter() - start)
            if sender.returncode != 0:
                raise RuntimeError("the message was not taken")
            return (_kilobytes(status, "VmHWM") - before) * 1024, longest


def _kilobytes(status: Path, field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", status.read_text())
    return int(found[1]) if found else 0


def _process(port: int) -> int:
    """The process that was started last with a port of ours: the newest child of this one."""
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    return int(children[-1])
