"""How many messages a second a server takes; Postfix's smtp-source is the load."""

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from mailsandbox.store import SQLStore
from tests.benchmarks.peers import Peer, maildev, mailsandbox, program, smtp_sink, stock_aiosmtpd
from tests.benchmarks.table import Figure, Result

_CLIENTS = 10
_WARM = 200
# size, whether connections stay open, messages; then floor and aim against stock aiosmtpd
_LOADS = [
    (1_000, False, 2_000, 2.0, 3.0),
    (1_000, True, 4_000, 1.5, 4.0),
    (40_000, False, 800, 2.5, 5.0),
    (40_000, True, 1_200, 2.5, 5.0),
]


def measure(rounds: int) -> Result:
    source, sink, stock, dev = program("smtp-source"), smtp_sink(), stock_aiosmtpd(), maildev()
    about = (
        f"Messages a second with {_CLIENTS} clients of Postfix's smtp-source, median of {rounds} rounds in which the "
        "servers take turns, each in a process of its own. Ours commits each message to a SQLite file "
        "(WAL, synchronous FULL) before its 250; MailDev writes a file for each, the others keep nothing."
    )
    columns = ["load", "MailDev", "stock aiosmtpd", "mailsandbox", "smtp-sink", "of stock", "of smtp-sink"]
    title = "Capture"
    if source is None:
        return Result(title, about, columns, [], missing=["all of it: smtp-source, of Debian's package postfix"])
    rows, figures = [], []
    for size, stays_open, count, floor, aim in _LOADS:
        rates: dict[str, list[float]] = {}
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                ours = mailsandbox(Path(folder) / "mail.db")
                for label, peer, part in (("dev", dev, 5), ("stock", stock, 1), ("ours", ours, 1), ("sink", sink, 1)):
                    if peer is not None:
                        rates.setdefault(label, []).append(_rate(peer, source, size, stays_open, count // part))
        median = {label: statistics.median(found) for label, found in rates.items()}
        ratio = median["ours"] / median["stock"]
        what = f"{size // 1000} KB, {'open connections' if stays_open else 'a connection each'}"
        c_rate = median.get("sink")
        rows.append(
            [
                what,
                f"{median['dev']:,.0f}" if dev else "-",
                f"{median['stock']:,.0f}",
                f"{median['ours']:,.0f}",
                f"{c_rate:,.0f}" if c_rate else "-",
                f"{ratio:.1f} x",
                f"{median['ours'] / c_rate:.2f} x" if c_rate else "-",
            ]
        )
        figures.append(Figure(f"capture, {what}, against stock aiosmtpd", ratio, "x", floor, aim, "more"))
    missing = [] if sink else ["smtp-sink, of Debian's package postfix"]
    missing += [] if dev else ["MailDev: not in $MAILSANDBOX_NODE_MODULES or on PATH (`npm install maildev`)"]
    return Result(title, about, columns, rows, figures, missing)


def _rate(peer: Peer, source: str, size: int, stays_open: bool, count: int) -> float:
    load = [source, "-s", str(_CLIENTS), "-l", str(size), "-f", "app@shop.test", "-t", "ann@shop.test"]
    load += ["-d"] if stays_open else []
    with peer.running() as port:
        target = f"127.0.0.1:{port}"
        subprocess.run([*load, "-m", str(_WARM), target], check=True)  # what is made once is made before the clock runs
        start = time.perf_counter()
        subprocess.run([*load, "-m", str(count), target], check=True)
        seconds = time.perf_counter() - start
    if peer.store is not None:
        _all_kept(peer.name, peer.store, count + _WARM)
    return count / seconds


def _all_kept(name: str, file: Path, count: int) -> None:
    store = SQLStore(str(file))
    try:
        kept = store.count()
    finally:
        store.close()
    if kept != count:
        raise RuntimeError(f"{name} kept {kept} of {count} messages")
