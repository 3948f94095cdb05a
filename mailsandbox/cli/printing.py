"""A mail in a terminal, in the words of the standard library's `smtpd.DebuggingServer`."""

import os
import sys

from mailsandbox.message import Message


def debugging_text(message: Message) -> str:
    """`message` exactly as Python 3.11's DebuggingServer printed it, X-Peer line included."""
    lines = ["---------- MESSAGE FOLLOWS ----------"]
    if message.envelope.parameters:
        lines.append(f"mail options: {[parameter.upper() for parameter in message.envelope.parameters]}")
    if last := [parameter.upper() for parameter in (message.envelope.recipient_parameters or ((),))[-1]]:
        lines.append(f"rcpt options: {last}\n")
    peer = message.session.peer.rpartition(":")[0]
    # That server joined the lines of DATA, without the last line's end, and split them again wherever bytes can be.
    data = message.raw.removesuffix(b"\r\n").replace(b"\r\n", b"\n")
    in_headers = True
    for line in data.splitlines():
        if in_headers and not line:
            lines.append(repr(f"X-Peer: {peer}".encode()))
            in_headers = False
        lines.append(repr(line))
    lines.append("------------ END MESSAGE ------------")
    return "\n".join(lines)


def say(text: str) -> None:
    """Write a line at once, so that a pipe sees it before the client hears its 250."""
    try:
        print(text, flush=True)  # noqa: T201
    except BrokenPipeError:
        # Whoever read has gone. Nobody is left to print for, and the interpreter's own flush at exit would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
