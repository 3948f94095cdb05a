"""What a server may do, drawn by Hypothesis, and what must hold whatever it does."""

import smtplib
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

import mailsandbox
from mailsandbox import Mailbox
from mailsandbox.faults import Fault, FaultScript, StoreThenDrop
from mailsandbox.strategies import fault_scripts


def send(box: Mailbox, subject: str) -> bool:
    """Whether the server took the mail, as its client sees it."""
    try:
        client = smtplib.SMTP(box.host, box.port, timeout=20)
    except (smtplib.SMTPException, OSError):
        return False
    try:
        client.sendmail("a@b.test", ["c@d.test"], f"Subject: {subject}\r\n\r\nx")
    except (smtplib.SMTPException, OSError):
        return False
    else:
        with suppress(smtplib.SMTPException, OSError):
            client.quit()
        return True
    finally:
        client.close()


@settings(deadline=None)
@given(faults=fault_scripts(), mails=st.integers(1, 4))
def test_whatever_the_server_does(faults: list[Fault], mails: int) -> None:
    """A mail that was acknowledged is there once; one that was not is there only where the script says so."""
    acknowledged = []
    with mailsandbox.capture() as box:
        for fault in faults:
            box.smtp.add(fault)
        for number in range(mails):
            if send(box, str(number)):
                acknowledged.append(str(number))
        there = [message.subject for message in box]
        assert len(set(there)) == len(there)
        assert set(acknowledged) <= set(there)
        unheard = sum(rule.fired for rule in box.smtp.script.rules if rule.fault.action == StoreThenDrop())
        assert len(there) - len(acknowledged) == unheard
        assert len(box.smtp.connections) == mails


@given(faults=fault_scripts(10))
def test_every_script_is_one(faults: list[Fault]) -> None:
    """What is drawn can be written down, and none of it is a mistake in a strict test."""
    script = FaultScript(faults)
    assert not script.unused
    assert all(str(rule) for rule in script.rules)
