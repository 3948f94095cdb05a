"""Other people's clients deliver over plain SMTP, STARTTLS and implicit TLS, logged in."""

import asyncio
import os
import shutil
import smtplib
import ssl
import subprocess
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from mailsandbox import Mailbox, MailSandbox

NAME, PASSWORD = "ann", "s3cret"
MODES = ("plain", "starttls", "tls")


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def box(mode: str) -> Iterator[Mailbox]:
    tls = {"plain": "off", "starttls": "required", "tls": "implicit"}[mode]
    with MailSandbox() as sandbox:
        yield sandbox.open("box", auth={NAME: PASSWORD}, tls=tls)


def program(name: str, package: str) -> str:
    """The path of `name`, or a skip; under MAILSANDBOX_TEST_ALL a missing one is a failure."""
    path = shutil.which(name)
    if path is None:
        reason = f"{name} is not installed (Debian's package {package})"
        if os.environ.get("MAILSANDBOX_TEST_ALL"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def run(words: list[str], octets: bytes = b"") -> None:
    done = subprocess.run(words, input=octets, capture_output=True, timeout=60)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def arrived(box: Mailbox, mode: str) -> None:
    mail = box.one(subject="Hello from afar", to="bob@d.test")
    assert "How are you?" in mail.text
    assert mail.envelope.recipients == ("bob@d.test",)
    assert mail.session.user == NAME
    assert bool(mail.session.tls) == (mode != "plain")


WIRE = b"From: a@b.test\r\nTo: bob@d.test\r\nSubject: Hello from afar\r\n\r\nHow are you?\r\n"


def test_smtplib(box: Mailbox, mode: str) -> None:
    context = ssl.create_default_context(cafile=box.ca_bundle)
    client: smtplib.SMTP
    if mode == "tls":
        client = smtplib.SMTP_SSL("localhost", box.port, context=context, timeout=20)
    else:
        client = smtplib.SMTP("localhost", box.port, timeout=20)
    with client:
        if mode == "starttls":
            client.starttls(context=context)
        client.login(NAME, PASSWORD)
        client.sendmail("a@b.test", ["bob@d.test"], WIRE)
    arrived(box, mode)


def test_swaks(box: Mailbox, mode: str) -> None:
    words = [program("swaks", "swaks"), "--server", "127.0.0.1", "--port", str(box.port)]
    words += {"plain": [], "starttls": ["--tls"], "tls": ["--tlsc"]}[mode]
    words += ["--from", "a@b.test", "--to", "bob@d.test", "--auth-user", NAME, "--auth-password", PASSWORD]
    run([*words, "--header", "Subject: Hello from afar", "--body", "How are you?"])
    arrived(box, mode)


def test_curl(box: Mailbox, mode: str, tmp_path: Path) -> None:
    (tmp_path / "mail").write_bytes(WIRE)
    scheme = "smtps" if mode == "tls" else "smtp"
    words = [
        program("curl", "curl"),
        "-sS",
        "--url",
        f"{scheme}://localhost:{box.port}",
        "--user",
        f"{NAME}:{PASSWORD}",
    ]
    words += ["--ipv4", "--cacert", box.ca_bundle, *(["--ssl-reqd"] if mode == "starttls" else [])]
    run([*words, "--mail-from", "a@b.test", "--mail-rcpt", "bob@d.test", "--upload-file", str(tmp_path / "mail")])
    arrived(box, mode)


def test_msmtp(box: Mailbox, mode: str, tmp_path: Path) -> None:
    settings = tmp_path / "msmtprc"
    lines = ["defaults", "account default", "host localhost", f"port {box.port}", "from a@b.test", "auth plain"]
    lines += [f"user {NAME}", f"password {PASSWORD}"]
    lines += {
        "plain": ["tls off"],
        "starttls": ["tls on", "tls_starttls on"],
        "tls": ["tls on", "tls_starttls off"],
    }[mode]
    lines += [] if mode == "plain" else [f"tls_trust_file {box.ca_bundle}"]
    settings.write_text("\n".join(lines) + "\n")
    settings.chmod(0o600)
    run([program("msmtp", "msmtp"), "-C", str(settings), "bob@d.test"], WIRE)
    arrived(box, mode)


def test_aiosmtplib(box: Mailbox, mode: str) -> None:
    aiosmtplib = pytest.importorskip("aiosmtplib")
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@b.test", "bob@d.test", "Hello from afar"
    mail.set_content("How are you?")
    context = ssl.create_default_context(cafile=box.ca_bundle)
    coroutine = aiosmtplib.send(
        mail,
        hostname="localhost",
        port=box.port,
        username=NAME,
        password=PASSWORD,
        use_tls=mode == "tls",
        start_tls=mode == "starttls",
        tls_context=None if mode == "plain" else context,
    )
    asyncio.run(coroutine)
    arrived(box, mode)


NODE = """
const transport = require("nodemailer").createTransport({
  host: "localhost", port: %(port)d, secure: %(secure)s, requireTLS: %(require)s, ignoreTLS: %(ignore)s,
  auth: { user: "%(user)s", pass: "%(password)s" },
  tls: { ca: require("fs").readFileSync(%(ca)r) },
});
transport.sendMail({ from: "a@b.test", to: "bob@d.test", subject: "Hello from afar", text: "How are you?" })
  .catch((error) => { console.error(error); process.exit(1); });
"""


def test_nodemailer(box: Mailbox, mode: str, node_modules: Callable[[str], Path]) -> None:
    folder = node_modules("nodemailer")
    values = {"port": box.port, "user": NAME, "password": PASSWORD, "ca": box.ca_bundle}
    values |= {"secure": str(mode == "tls").lower(), "require": str(mode == "starttls").lower()}
    values |= {"ignore": str(mode == "plain").lower()}
    done = subprocess.run(
        [program("node", "nodejs"), "-e", NODE % values], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    arrived(box, mode)
