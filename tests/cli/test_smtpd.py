"""The old words of `python -m smtpd`, compared with the real one where Python still has it."""

import importlib.util
import signal
import smtplib
import subprocess
import sys
from email.message import EmailMessage

import pytest

REAL = """
import asyncore, smtpd, sys
server = smtpd.DebuggingServer(("127.0.0.1", 0), ("localhost", 25), None, enable_SMTPUTF8={utf8})
print("smtp://127.0.0.1:%d" % server.socket.getsockname()[1], file=sys.stderr, flush=True)
asyncore.loop()
"""


def mails() -> list[tuple[bytes, list[str]]]:
    plain = EmailMessage()
    plain["Subject"], plain["To"] = "Grüße", "ann@shop.test"
    plain.set_content("Hi\n\n.dot\n")
    rich = EmailMessage()
    rich["Subject"] = "attached"
    rich.set_content("text")
    rich.add_attachment(bytes(range(256)), maintype="application", subtype="octet-stream", filename="a.bin")
    bodies = [
        plain.as_bytes(),
        rich.as_bytes(),
        b"",
        b"no headers",
        b"\r\n\r\nstarts empty",
        b"Subject: x\r\n\r\na\rb\x0bc\x0cd\x85",
    ]
    return [(body, ["size=7"] if number % 2 else ["body=8bitmime"]) for number, body in enumerate(bodies)]


MAILS = mails()  # once: a MIME boundary is made anew each time


def output_of(command: list[str]) -> bytes:
    """What `command`, a server that says its address on standard error, prints for the mails above."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=None) as process:
        assert process.stderr is not None
        line = b""
        while not line.startswith(b"smtp://"):
            line = process.stderr.readline()
            assert line, "the server ended"
        host, _, port = line.decode().strip().removeprefix("smtp://").rpartition(":")
        with smtplib.SMTP(host, int(port), local_hostname="client") as client:
            for body, options in MAILS:
                client.sendmail("a@b.test", ["c@d.test", "e@f.test"], body, mail_options=options)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
        return output


@pytest.mark.skipif(importlib.util.find_spec("smtpd") is None, reason="this Python has no smtpd module to compare with")
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("utf8", [False, True])
def test_prints_what_smtpd_printed(utf8: bool) -> None:
    """Byte for byte."""
    ours = [
        sys.executable,
        "-m",
        "mailsandbox",
        "-n",
        *(["-u"] if utf8 else []),
        "-c",
        "DebuggingServer",
        "127.0.0.1:0",
    ]
    real = [sys.executable, "-W", "ignore", "-u", "-c", REAL.format(utf8=utf8)]
    expected = output_of(real)
    assert expected.count(b"MESSAGE FOLLOWS") == len(MAILS)
    assert output_of(ours).replace(b"\r\n", b"\n") == expected.replace(b"\r\n", b"\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-n", "-c", "PureProxy", "localhost:0"], "use -c DebuggingServer"),
        (["-n", "localhost:0"], "use -c DebuggingServer"),
        (["-n", "-c", "DebuggingServer", "localhost"], "HOST:PORT"),
        (["-n", "-c", "DebuggingServer", "localhost:99999"], "HOST:PORT"),
        (["-n", "-s", "many", "-c", "DebuggingServer"], "number of octets"),
        (["-x"], "-x"),
        (["-c", "DebuggingServer", "a:1", "b:2", "c:3"], "too many"),
        (["swerve"], "serve"),
        (["serve", "--smpt", "x"], "--smtp"),
        (["serve", "--smtp", "nowhere"], "HOST:PORT"),
        (
            ["serve", "--smtp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--store", "/no/such/folder/mail.db"],
            "cannot be opened",
        ),
        (["serve", "--exit-after", "0"], "exit-after"),
    ],
)
def test_wrong_words(words: list[str], said: str) -> None:
    """Exit code 2, what to do, and no traceback."""
    done = subprocess.run([sys.executable, "-m", "mailsandbox", *words], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
