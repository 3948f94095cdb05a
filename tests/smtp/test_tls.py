"""STARTTLS and implicit TLS: who is let in, what is shown, and what is never smuggled."""

import smtplib
import ssl
import threading
from pathlib import Path

import pytest
import trustme

from mailsandbox import MailSandbox
from mailsandbox.errors import BadSetting
from mailsandbox.smtp import TLS, Auth, Limits
from tests.smtp.conftest import Client

MAIL = ("a@b.test", ["c@d.test"], "Subject: hi\r\n\r\nhi")


def trusting(file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=file)


def test_starttls_is_offered_and_verifies(sandbox: MailSandbox) -> None:
    """By default, under the sandbox's own authority, for the name the client asks for; the mail says so."""
    box = sandbox.open("box")
    with smtplib.SMTP("localhost", box.port, timeout=10) as client:
        client.starttls(context=trusting(box.ca_bundle))
        client.sendmail(*MAIL)
    session = box.one(subject="hi").envelope and box.one().session
    assert session.tls.startswith("TLSv1")
    assert session.cipher
    assert box.smtp.connections[0].session.tls == session.tls


def test_the_name_a_client_asks_for_is_honoured(sandbox: MailSandbox) -> None:
    """SNI: an application that thinks it talks to a provider verifies that provider's name."""
    box = sandbox.open("box")
    client = Client(box)
    client.reply()
    client.say("EHLO x")
    assert client.say("STARTTLS").startswith("220 2.0.0")
    client.start_tls(trusting(box.ca_bundle), "smtp.gmail.com")
    assert "250" in client.say("EHLO x")
    client.close()


@pytest.mark.parametrize(
    ("certificate", "said"),
    [("wrong-host", "match"), ("expired", "expired"), ("untrusted", "self-signed|self signed|unable to get")],
)
@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_a_wrong_certificate_is_refused(sandbox: MailSandbox, certificate: str, said: str, mode: str) -> None:
    """A client that verifies finds each fault; one that does not is let in."""
    box = sandbox.open("box", tls=TLS(mode, certificate))
    context = trusting(box.ca_bundle)
    with pytest.raises(ssl.SSLCertVerificationError, match=f"(?i){said}"):
        if mode == "implicit":
            smtplib.SMTP_SSL("localhost", box.port, context=context, timeout=10)
        else:
            with smtplib.SMTP("localhost", box.port, timeout=10) as client:
                client.starttls(context=context)
    assert [connection.outcome for connection in box.smtp.connections] == ["TLS handshake failed"]
    blind = ssl._create_unverified_context()
    if mode == "implicit":
        with smtplib.SMTP_SSL("localhost", box.port, context=blind, timeout=10) as client:
            client.sendmail(*MAIL)
    else:
        with smtplib.SMTP("localhost", box.port, timeout=10) as client:
            client.starttls(context=blind)
            client.sendmail(*MAIL)
    assert len(box) == 1


def test_both_ports_of_one_mailbox(sandbox: MailSandbox) -> None:
    """STARTTLS on one, TLS from the first octet on the other."""
    box = sandbox.open("box", tls="both")
    assert box.tls_port is not None
    context = trusting(box.ca_bundle)
    with smtplib.SMTP("localhost", box.port, timeout=10) as client:
        client.starttls(context=context)
        client.sendmail(*MAIL)
    with smtplib.SMTP_SSL("localhost", box.tls_port, context=context, timeout=10) as client:
        assert not client.has_extn("starttls")
        client.sendmail(*MAIL)
    assert len(box) == 2


def test_required_and_off(sandbox: MailSandbox) -> None:
    """530 before TLS where it is required; no STARTTLS where there is none."""
    required, off = sandbox.open("required", tls="required"), sandbox.open("off", tls="off")
    with smtplib.SMTP(required.host, required.port, timeout=10) as client:
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            client.sendmail(*MAIL)
        assert (refused.value.smtp_code, refused.value.smtp_error[:5]) == (530, b"5.7.0")
    with smtplib.SMTP(off.host, off.port, timeout=10) as client:
        client.ehlo()
        assert not client.has_extn("starttls")
        assert client.docmd("STARTTLS")[0] == 502


def test_plaintext_behind_starttls_is_dropped(sandbox: MailSandbox) -> None:
    """What was sent in the clear is no command of the secure session, which begins anew."""
    box = sandbox.open("box")
    client = Client(box)
    client.reply()
    client.say("EHLO x")
    client.say("MAIL FROM:<a@b.test>")
    client.send(b"STARTTLS\r\nRCPT TO:<evil@x.test>\r\nNOOP\r\n")
    assert client.reply().startswith("220 ")
    client.start_tls(trusting(box.ca_bundle))
    assert client.say("RCPT TO:<c@d.test>").startswith("503 ")
    assert client.say("MAIL FROM:<a@b.test>").startswith("503 ")
    assert "STARTTLS" not in client.say("EHLO x")
    assert client.say("STARTTLS").startswith("503 ")
    client.close()


def test_files_of_ones_own(sandbox: MailSandbox, tmp_path: Path) -> None:
    """A certificate from elsewhere is shown; one that cannot be used is said at once."""
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost")
    leaf.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    file = str(tmp_path / "server.pem")
    box = sandbox.open("box", tls=TLS("implicit", files=(file, file)))
    with smtplib.SMTP_SSL("localhost", box.port, context=trusting(str(tmp_path / "ca.pem")), timeout=10) as client:
        client.sendmail(*MAIL)
    with pytest.raises(BadSetting, match="cannot use the certificate"):
        sandbox.open("other", tls=TLS(files=(file, str(tmp_path / "ca.pem"))))


@pytest.mark.parametrize("wrong", ["ssl", "STARTTLS!", "on"])
def test_a_mode_that_is_none(sandbox: MailSandbox, wrong: str) -> None:
    """The valid ones are listed."""
    with pytest.raises(BadSetting, match="starttls, required, implicit, both, off"):
        sandbox.open("box", tls=wrong)


def test_stopping_with_open_tls_sessions() -> None:
    """Sessions inside TLS, in its handshake, and in DATA within it do not keep a server from ending."""
    before = threading.active_count()
    sandbox = MailSandbox()
    box = sandbox.open("box", tls="both")
    clients = [Client(box) for _ in range(3)]
    for client in clients:
        client.reply()
        client.say("EHLO x")
        client.say("STARTTLS")
    for client in clients[:2]:
        client.start_tls(trusting(box.ca_bundle))
        client.say("EHLO x")
    clients[1].send(b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nhalf")
    silent = Client(box, box.tls_port)
    sandbox.close()
    assert threading.active_count() <= before + 1  # an executor's idle thread may have made a certificate
    for client in [*clients, silent]:
        client.close()


def test_logging_in(sandbox: MailSandbox) -> None:
    """The right password by every mechanism, and only that; the mail knows who it was."""
    box = sandbox.open("box", auth={"ann": "sécret"})
    with smtplib.SMTP(box.host, box.port, timeout=10) as client:
        with pytest.raises(smtplib.SMTPSenderRefused, match="530"):
            client.sendmail(*MAIL)
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
        with smtplib.SMTP(box.host, box.port, timeout=10) as client:
            client.ehlo()
            client.user, client.password = "ann", "sécret"
            with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
                client.password = "wrong"
                authenticate(client, mechanism)
            assert refused.value.smtp_code == 535
            client.password = "sécret"
            authenticate(client, mechanism)
            client.sendmail(*MAIL)
        session = box.last().session
        assert (session.auth, session.user) == (mechanism, "ann")
    assert len(box) == 3


def authenticate(client: smtplib.SMTP, mechanism: str) -> None:
    """smtplib's own method encodes PLAIN and LOGIN as ASCII, so these are said as they are on the wire."""
    import base64
    import hmac

    def b64(text: bytes) -> str:
        return base64.b64encode(text).decode()

    user, password = client.user.encode(), client.password.encode()
    if mechanism == "PLAIN":
        code, text = client.docmd("AUTH", "PLAIN " + b64(b"\0" + user + b"\0" + password))
    elif mechanism == "LOGIN":
        assert client.docmd("AUTH", "LOGIN") == (334, b64(b"User Name\x00").encode())
        assert client.docmd(b64(user))[0] == 334
        code, text = client.docmd(b64(password))
    else:
        _, challenge = client.docmd("AUTH", "CRAM-MD5")
        digest = hmac.new(password, base64.b64decode(challenge), "md5").hexdigest()
        code, text = client.docmd(b64(user + b" " + digest.encode()))
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, text)


def test_anybody_may_log_in_by_default(sandbox: MailSandbox) -> None:
    """An application with a username in its settings needs no other settings for its tests."""
    box = sandbox.open("box")
    with smtplib.SMTP(box.host, box.port, timeout=10) as client:
        client.login("anybody", "anything")
        client.sendmail(*MAIL)
    assert box.one().session.user == "anybody"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("AUTH", "504 5.5.4"),
        ("AUTH KERBEROS", "504 5.5.4"),
        ("AUTH PLAIN not-base64!", "501 5.5.2"),
        ("AUTH PLAIN AAAA AAAA", "501 5.5.4"),
        ("AUTH PLAIN YQ==", "501 5.5.2"),
        ("AUTH CRAM-MD5 YQ==", "501 5.7.0"),
    ],
)
def test_bad_exchanges(client: Client, line: str, said: str) -> None:
    """Refused with their own code, and the session goes on."""
    assert client.say(line).startswith(said)
    assert client.say("NOOP").startswith("250 ")


def test_an_exchange_that_is_cancelled_or_too_long(client: Client) -> None:
    """`*` ends it; an answer over the limit is refused; a client that leaves in it hurts nobody."""
    assert client.say("AUTH LOGIN").startswith("334 ")
    assert client.say("*").startswith("501 5.7.0")
    assert client.say("AUTH PLAIN").startswith("334 ")
    client.send(b"A" * 20_000 + b"\r\n")
    assert client.reply().startswith("500 5.5.6")
    assert client.say("NOOP").startswith("250 ")
    assert client.say("AUTH LOGIN").startswith("334 ")


def test_guessing_is_cut_short() -> None:
    """After so many wrong logins the connection is over."""
    with MailSandbox(limits=Limits(errors=3)) as sandbox:
        client = Client(sandbox.open("box", auth={"ann": "x"}))
        client.reply()
        client.say("EHLO x")
        wrong = "AUTH PLAIN AGFubgB3cm9uZw=="
        assert [client.say(wrong)[:3] for _ in range(3)] == ["535", "535", "535"]
        assert client.reply().startswith("421 ")
        client.close()


def test_auth_only_inside_tls(sandbox: MailSandbox) -> None:
    """Hidden before, offered after."""
    box = sandbox.open("box", auth=Auth({"ann": "x"}, before_tls=False))
    with smtplib.SMTP("localhost", box.port, timeout=10) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        assert client.docmd("AUTH", "PLAIN AGFubgB4")[0] == 530
        client.starttls(context=trusting(box.ca_bundle))
        client.ehlo()
        client.login("ann", "x")


def test_secrets_stay_out_of_every_record(
    sandbox: MailSandbox, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """No transcript, log or representation has the password, in any encoding it was sent in."""
    caplog.set_level("DEBUG")
    box = sandbox.open("box", auth={"ann": "SECRET"})
    for mechanism in ("PLAIN", "LOGIN"):
        with smtplib.SMTP(box.host, box.port, timeout=10) as client:
            client.ehlo()
            client.user, client.password = "ann", "SECRET"
            authenticate(client, mechanism)
            client.sendmail(*MAIL)
    out, err = capfd.readouterr()
    everything = "".join(
        [caplog.text, out, err, repr(box.smtp.connections), box.smtp.transcript, *(m.session.transcript for m in box)]
    )
    for secret in ("SECRET", "U0VDUkVU", "AGFubgBTRUNSRVQ="):
        assert secret not in everything
    assert "AUTH ***" in everything
