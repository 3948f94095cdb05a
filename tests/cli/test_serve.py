"""`serve` and `demo` as processes."""

import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

RUN = [sys.executable, "-m", "mailsandbox"]
FREE = ["--smtp", "127.0.0.1:0", "--http", "127.0.0.1:0"]


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A server process and the addresses it printed."""
    with subprocess.Popen(
        [*RUN, "serve", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            addresses = {}
            for _ in range(1 if "--no-viewer" in options else 2):
                name, _, url = process.stdout.readline().strip().partition(" ")
                addresses[name] = url
            yield process, addresses
        finally:
            process.kill()


def send(addresses: dict[str, str], subject: str) -> None:
    host, _, port = addresses["smtp"].removeprefix("smtp://").rpartition(":")
    with smtplib.SMTP(host, int(port), timeout=20) as client:
        client.sendmail("a@b.test", ["c@d.test"], f"Subject: {subject}\r\n\r\nhi")


def page(addresses: dict[str, str]) -> str:
    with urllib.request.urlopen(addresses["viewer"], timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def test_mail_survives_a_kill_right_after_its_250(tmp_path: Path) -> None:
    """A 250 means kept: killed at once, started again, the mail is there, and so after a clean restart."""
    store = ["--store", str(tmp_path / "mail.db")]
    with serving(*FREE, *store) as (process, addresses):
        send(addresses, "kept")
        process.kill()
    for _ in range(2):
        with serving(*FREE, *store) as (_, addresses):
            assert "kept" in page(addresses)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_it_cleanly(which: signal.Signals) -> None:
    """With a client in the middle of DATA, at once, and without a word."""
    with serving(*FREE) as (process, addresses):
        host, _, port = addresses["smtp"].removeprefix("smtp://").rpartition(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhalf")
            process.send_signal(which)
            _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")


def test_print_and_exit_after() -> None:
    """The messages on standard output, then the end."""
    with serving("--smtp", "127.0.0.1:0", "--no-viewer", "--print", "--exit-after", "2") as (process, addresses):
        send(addresses, "one")
        send(addresses, "two")
        output, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")
    assert re.findall(r"b'Subject: (\w+)'", output) == ["one", "two"]


@pytest.mark.parametrize("option", ["--smtp", "--http"])
def test_a_taken_port_is_one_line(option: str) -> None:
    """Exit code 2, the address, and what to do; the other port is let go."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        free = {"--smtp": "127.0.0.1:0", "--http": "127.0.0.1:0"} | {option: address}
        words = [*RUN, "serve", *(word for pair in free.items() for word in pair)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert f"{address} is taken" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("content", [b"hello" * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_file_that_is_no_store_is_left_alone(tmp_path: Path, content: bytes) -> None:
    """Exit code 2, one line, the file untouched."""
    file = tmp_path / "mail.db"
    file.write_bytes(content)
    done = subprocess.run([*RUN, "serve", *FREE, "--store", str(file)], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert str(file) in done.stderr
    assert file.read_bytes() == content


def test_demo_once() -> None:
    """At least twenty mails over at least four paths; bulk mail shares one connection."""
    done = subprocess.run([*RUN, "demo", "--once"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[2:-2]]
    assert len(rows) >= 20
    assert {row[0] for row in rows} == {"sync", "thread", "pool", "bulk"}
    assert len({row[-1] for row in rows if row[0] == "bulk"}) == 1
    assert len({row[-1] for row in rows if row[0] == "sync"}) > 1


def test_variables_mirror_the_options(tmp_path: Path) -> None:
    """Every option can come from the environment."""
    store = tmp_path / "mail.db"
    variables = {"SMTP": "127.0.0.1:0", "STORE": str(store), "NO_VIEWER": "1", "PRINT": "1", "EXIT_AFTER": "1"}
    environment = os.environ | {f"MAILSANDBOX_{name}": value for name, value in variables.items()}
    with subprocess.Popen([*RUN, "serve"], env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            name, _, url = process.stdout.readline().strip().partition(" ")
            send({name: url}, "by variable")
            output, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "by variable" in output
    assert store.exists()


def test_beyond_this_machine_is_said() -> None:
    """Whoever opens the sandbox to a network is told so."""
    with serving("--smtp", "0.0.0.0:0", "--no-viewer") as (process, addresses):
        assert addresses["smtp"].startswith("smtp://0.0.0.0:")
        process.terminate()
        _, errors = process.communicate(timeout=10)
    assert "0.0.0.0 lets other machines" in errors


def test_many_browsers_at_once() -> None:
    """Every request is answered, and nothing is said on standard error."""
    with serving(*FREE) as (process, addresses):
        with ThreadPoolExecutor(8) as pool:
            pages = list(pool.map(lambda _: page(addresses), range(120)))
        process.terminate()
        _, errors = process.communicate(timeout=10)
    assert len(pages) == 120
    assert errors == ""


def test_tls_auth_profile_and_conversations(tmp_path: Path) -> None:
    """A provider's server from the command line, with the conversation of each mail printed and no password in it."""
    options = ["--smtp", "127.0.0.1:0", "--no-viewer", "--profile", "gmail", "--auth", "ann:s3cret", "-v"]
    with serving(*options, "--exit-after", "1") as (process, addresses):
        host, _, port = addresses["smtp"].removeprefix("smtp://").rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=20) as client:
            with pytest.raises(smtplib.SMTPSenderRefused, match="STARTTLS"):
                client.sendmail("a@b.test", ["c@d.test"], "x")
            client.starttls()
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("ann", "wrong")
            client.login("ann", "s3cret")
            client.sendmail("a@b.test", ["c@d.test"], "x")
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert "C: AUTH ***" in output and "TLSv1" in output
    assert "s3cret" not in output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--profile", "gmial"], "gmail"),
        (["--tls", "ssl"], "starttls"),
        (["--auth", "ann"], "USER:PASSWORD"),
        (["--cert", "no.pem", "no.key"], "cannot use the certificate no.pem"),
    ],
)
def test_settings_that_do_not_exist(words: list[str], said: str) -> None:
    """Exit code 2, and what would be right."""
    done = subprocess.run([*RUN, "serve", *FREE, *words], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
