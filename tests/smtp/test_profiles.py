"""Providers as they are documented: what their profiles make an application see."""

import re
import smtplib
import ssl
import tomllib
from importlib.resources import files

import pytest

from mailsandbox import Mailbox, MailSandbox, profiles
from mailsandbox.errors import BadSetting
from tests.smtp.conftest import Client

MAIL = ("a@b.test", ["c@d.test"], "Subject: hi\r\n\r\nhi")


def connect(box: Mailbox, *, tls: bool = False, user: str = "") -> smtplib.SMTP:
    client = smtplib.SMTP("localhost", box.port, timeout=20)
    client.ehlo()
    if tls:
        client.starttls(context=ssl.create_default_context(cafile=box.ca_bundle))
        client.ehlo()
    if user:
        client.login(user, "any")
    return client


@pytest.mark.parametrize("name", profiles.NAMES)
def test_every_figure_cites_its_source(name: str) -> None:
    """The comment above each value, or the one that speaks for the whole file, names a public page."""
    text = files("mailsandbox.profiles").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    whole = text.splitlines()[1]
    comment, was_comment = "", False
    for line in text.splitlines()[1:]:
        is_comment = line.startswith("#")
        if is_comment:
            comment = f"{comment}{line}" if was_comment else line
        elif re.match(r"\w+ = ", line):
            assert "://" in comment or "same " in comment or whole.startswith("# Every value: https://"), line
        was_comment = is_comment
    assert profiles.load(name).title == tomllib.loads(text)["title"]


@pytest.mark.parametrize("name", profiles.NAMES)
def test_every_profile_is_a_server_one_can_talk_to(sandbox: MailSandbox, name: str) -> None:
    """An application that does what the provider asks for gets its mail through."""
    box = sandbox.open("box", profile=name)
    profile = profiles.load(name)
    with smtplib.SMTP("localhost", box.port, timeout=20) as client:
        code, _ = client.ehlo()
        if profile.helo_only:
            assert code == 502
            client.helo()
        if profile.starttls == "required":
            with pytest.raises(smtplib.SMTPException):
                client.sendmail(*MAIL)
            client.starttls(context=ssl.create_default_context(cafile=box.ca_bundle))
            client.ehlo()
        if profile.auth_required:
            client.login("apikey", "secret")
        client.sendmail(*MAIL)
    assert len(box) == 1


def test_gmail_wants_tls_then_a_login(sandbox: MailSandbox) -> None:
    """In its own words."""
    box = sandbox.open("box")
    box.smtp.use("gmail")
    with connect(box) as client:
        assert not client.has_extn("auth")
        assert client.docmd("MAIL", "FROM:<a@b.test>")[1].startswith(b"5.7.0 Must issue a STARTTLS command first")
    with connect(box, tls=True) as client:
        assert client.docmd("MAIL", "FROM:<a@b.test>")[1].startswith(b"5.7.0 Authentication Required")
        client.login("ann@gmail.com", "app password")
        assert client.mail("a@b.test")[0] == 250
        codes = [client.rcpt(f"r{n}@d.test")[0] for n in range(101)]
        assert codes == [250] * 100 + [452]


def test_gmail_refuses_a_wrong_password(sandbox: MailSandbox) -> None:
    """With the text that people search for."""
    box = sandbox.open("box", auth={"ann": "right"}, profile="gmail")
    with connect(box, tls=True) as client, pytest.raises(smtplib.SMTPAuthenticationError, match="BadCredentials"):
        client.login("ann", "wrong")


def test_ses_knows_its_senders(sandbox: MailSandbox) -> None:
    """Verified domains and addresses send; by envelope and by header, others do not."""
    box = sandbox.open("box")
    box.smtp.use("ses", verified={"shop.test", "ann@other.test"})
    with connect(box, tls=True, user="key") as client:
        client.sendmail("app@shop.test", ["c@d.test"], "From: app@SHOP.test\r\n\r\nx")
        client.sendmail("ann@other.test", ["c@d.test"], "From: ann@other.test\r\n\r\nx")
        with pytest.raises(smtplib.SMTPSenderRefused, match=r"554.*not verified.*bob@other\.test"):
            client.sendmail("bob@other.test", ["c@d.test"], "From: app@shop.test\r\n\r\nx")
        with pytest.raises(smtplib.SMTPDataError, match=r"554.*not verified.*evil@x\.test"):
            client.sendmail("app@shop.test", ["c@d.test"], "From: evil@x.test\r\n\r\nx")
    assert len(box) == 2


def test_rates_are_kept(sandbox: MailSandbox) -> None:
    """Thirty messages a minute, and no more."""
    box = sandbox.open("box", profile="microsoft365")
    with connect(box, tls=True, user="ann") as client:
        for _ in range(30):
            client.sendmail(*MAIL)
        with pytest.raises(smtplib.SMTPDataError, match="450"):
            client.sendmail(*MAIL)


def test_a_legacy_server_speaks_no_enhanced_codes(sandbox: MailSandbox) -> None:
    """No extension, and no code of one."""
    client = Client(sandbox.open("box", profile="legacy"))
    assert client.reply().startswith("220 BBN-UNIX.ARPA")
    assert client.say("EHLO x").startswith("502 EHLO")
    assert client.say("HELO x").startswith("250 BBN-UNIX.ARPA")
    assert client.say("MAIL FROM:<a@b.test>") == "250 Ok"
    assert client.say("MAIL FROM:<a@b.test>").startswith("503 MAIL")
    client.close()


def test_long_lines_where_they_are_refused(sandbox: MailSandbox) -> None:
    """A profile with a line limit refuses what the sandbox itself keeps."""
    box = sandbox.open("box", profile="strict")
    with connect(box) as client:
        client.sendmail("a@b.test", ["c@d.test"], "Subject: x\r\n\r\n" + "y" * 998)
        with pytest.raises(smtplib.SMTPDataError, match="500"):
            client.sendmail("a@b.test", ["c@d.test"], "Subject: x\r\n\r\n" + "y" * 999)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["EHLO not_a_domain"], "501 "),
        (["EHLO [127.0.0.1]"], "250"),
        (["EHLO x", "MAIL FROM: <a@b.test>"], "501 "),
        (["EHLO x", "MAIL FROM:a@b.test"], "501 "),
        (["EHLO x", "MAIL FROM:<ann>"], "553 "),
        (["EHLO x", "MAIL FROM:<ü@b.test>"], "553 "),
        (["EHLO x", "MAIL FROM:<ü@b.test> SMTPUTF8"], "250 "),
        (["EHLO x", "MAIL FROM:<a@b.test>", "RCPT TO:<c@localhost>"], "553 "),
        (["EHLO x", "MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", "DATA", "a\nb\r\n."], "554 "),
        (["EHLO x", "MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", "DATA", "ü\r\n."], "554 "),
        (["EHLO x", "MAIL FROM:<a@b.test> BODY=8BITMIME", "RCPT TO:<c@d.test>", "DATA", "ü\r\n."], "250 "),
    ],
)
def test_strict_takes_the_rfcs_at_their_word(sandbox: MailSandbox, lines: list[str], said: str) -> None:
    """What other servers let pass."""
    client = Client(sandbox.open("box", profile="strict"))
    client.reply()
    assert [client.say(line) for line in lines][-1].startswith(said)
    client.close()


def test_names_that_are_none(sandbox: MailSandbox) -> None:
    """The valid ones are listed; nothing half-opened stays."""
    with pytest.raises(BadSetting, match="did you mean 'gmail'"):
        sandbox.open("box", profile="gmial")
    with pytest.raises(BadSetting, match="unknown key"):
        profiles.parse("mine", {"title": "x", "limits": {"recipiants": 3}})
    sandbox.open("box")
