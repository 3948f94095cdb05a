"""A failed expectation turned into text. Pure: no expectation is judged here."""

from collections.abc import Sequence
from difflib import SequenceMatcher

from mailsandbox.matching import Matcher, Mismatch
from mailsandbox.message import Message

_MOST = 20


def line(message: Message) -> str:
    """One mail on one line."""
    recipients = ", ".join(message.envelope.recipients) or "nobody"
    return f"{message.subject!r} to {recipients}"


def captured(messages: Sequence[Message]) -> str:
    """What a mailbox holds, a line each, the first of many left out."""
    if not messages:
        return "  (no mail was captured)"
    first = max(0, len(messages) - _MOST)
    rows = [f"  #{number} {line(message)}" for number, message in enumerate(messages[first:], first)]
    return "\n".join(([f"  ... {first} more before"] if first else []) + rows)


def failure(
    expected: str, matcher: Matcher, got: Sequence[Message], messages: Sequence[Message], waited: float | None
) -> str:
    """Why an expectation failed: what was wanted, how many met it, what there is, and where the closest differs."""
    wanted = f" with {matcher}" if matcher.want else ""
    text = [f"expected {expected}{wanted}, got {len(got)}"]
    if waited is not None:
        text.append(f"waited {waited:.2f}s")
    text += ["captured:", captured(messages)]
    if not got and matcher.want and messages:
        text.append(closest(matcher, messages))
    return "\n".join(text)


def closest(matcher: Matcher, messages: Sequence[Message]) -> str:
    """The message that fails the fewest criteria, and by how little, with each difference."""
    judged = [(number, matcher.mismatches(message)) for number, message in enumerate(messages)]
    number, mismatches = min(judged, key=lambda item: (len(item[1]), -_likeness(item[1])))
    return f"closest: #{number} differs in\n" + differences(mismatches)


def differences(mismatches: Sequence[Mismatch]) -> str:
    return "\n".join(
        f"    {mismatch.criterion}: expected {mismatch.expected}\n"
        f"    {' ' * len(mismatch.criterion)}       got {mismatch.got}"
        for mismatch in mismatches
    )


def _likeness(mismatches: Sequence[Mismatch]) -> float:
    return sum(SequenceMatcher(None, m.expected[:200], m.got[:200]).ratio() for m in mismatches)
