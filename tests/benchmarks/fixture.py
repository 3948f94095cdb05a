"""What a test costs that has its own mail server and sends one mail to it."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.peers import has, smtp_sink, stock_aiosmtpd
from tests.benchmarks.table import Figure, Result

_TESTS = 200
_CONFTEST = """
import json, os, time, pathlib, pytest

spent = []

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    start = time.perf_counter()
    try:
        return (yield)
    finally:
        spent.append((time.perf_counter() - start) * 1000)

def pytest_sessionfinish():
    pathlib.Path(os.environ["BENCHMARK_OUT"]).write_text(json.dumps(spent))
"""
_SEND = """
import os, smtplib, pytest
from email.message import EmailMessage

def send(host, port):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "app@shop.test", "ann@shop.test", "Welcome"
    mail.set_content("Hi Ann")
    with smtplib.SMTP(host, port, local_hostname="client.test") as client:
        client.send_message(mail)
"""


@dataclass(frozen=True)
class Contender:
    name: str
    module: str | None
    plugin: str
    body: str


_BARE = Contender(
    "smtplib's own conversation with a bare server", None, "", "send('127.0.0.1', int(os.environ['BARE']))"
)
_OURS = Contender(
    "mailsandbox, `mailbox`",
    "pytest_mailsandbox",
    "mailbox",
    "send(mailbox.host, mailbox.port); assert mailbox.one(subject='Welcome').to == ['ann@shop.test']",
)
_PEERS = [
    Contender(
        "smtpdfix, `smtpd`",
        "smtpdfix",
        "smtpd",
        "send(smtpd.hostname, smtpd.port); assert smtpd.messages[0]['To'] == 'ann@shop.test'",
    ),
    Contender(
        "pytest-localserver, `smtpserver`",
        "pytest_localserver",
        "smtpserver",
        "send(*smtpserver.addr); assert smtpserver.outbox[0]['To'] == 'ann@shop.test'",
    ),
]
_ENTRY = {"pytest_mailsandbox": "pytest_mailsandbox", "smtpdfix": "smtpdfix.fixture"}


def measure(rounds: int) -> Result:
    there = [one for one in _PEERS if has(one.module or "")]
    bare = smtp_sink() or stock_aiosmtpd()
    contenders = [_BARE, _OURS, *there]
    first: dict[str, list[float]] = {one.name: [] for one in contenders}
    later: dict[str, list[float]] = {one.name: [] for one in contenders}
    with bare.running() as port:
        for _ in range(rounds):
            for one in contenders:
                spent = _milliseconds(one, port)
                first[one.name].append(spent[0])
                later[one.name] += spent[1:]
    median = {name: statistics.median(found) for name, found in later.items()}
    beyond = {name: value - median[_BARE.name] for name, value in median.items()}
    ours = beyond[_OURS.name]
    rows = [
        [
            one.name,
            f"{statistics.median(first[one.name]):.0f}",
            f"{median[one.name]:.2f}",
            f"{beyond[one.name]:.2f}" if one is not _BARE else "",
            f"{beyond[one.name] / ours:.1f} x" if one is not _BARE else "",
        ]
        for one in contenders
    ]
    figures = [Figure("a test with the fixture and one mail, beyond smtplib's conversation", ours, "ms", 2, 1, "less")]
    figures += [Figure(f"the same, of {one.name}'s", ours / beyond[one.name], "x", 0.5, 0.25, "less") for one in there]
    about = (
        f"Milliseconds a test: the fixture, one mail by smtplib and one assertion on it. Median over {rounds} runs of "
        f"{_TESTS} tests in which the fixtures take turns; the first test of a run, which imports and starts "
        f"everything, by itself. The bare server is {bare.name.split(',')[0]}, running all the time in another process."
    )
    missing = [f"{one.name}: not installed (`pip install {one.module}`)" for one in _PEERS if one not in there]
    columns = ["", "first test", "each other test", "beyond the bare one", "of ours"]
    return Result("A test with the fixture", about, columns, rows, figures, missing)


def _milliseconds(one: Contender, bare_port: int) -> list[float]:
    """How long each test takes, from its set-up to its tear-down."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "conftest.py").write_text(_CONFTEST)
        test = f"@pytest.mark.parametrize('n', range({_TESTS}))\ndef test(n, {one.plugin}):\n    {one.body}\n"
        (folder / "test_it.py").write_text(_SEND + test)
        out = folder / "spent.json"
        plugins = ["-p", _ENTRY.get(one.module or "", f"{one.module}.plugin")] if one.module else []
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins, str(folder)],
            capture_output=True,
            text=True,
            cwd=folder,
            env={
                **os.environ,
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "BENCHMARK_OUT": str(out),
                "BARE": str(bare_port),
            },
        )
        if result.returncode != 0:
            raise RuntimeError(f"{one.name} failed:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
        spent: list[float] = json.loads(out.read_text())
        return spent
