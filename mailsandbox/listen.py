"""A socket to listen on, or one line that says why there is none. Knows no protocol."""

import errno
import socket
import sys
from typing import Any

from mailsandbox.errors import ListenError


def bind(host: str, port: int, *, listen: bool = True) -> socket.socket:
    """A bound socket for `host` and `port`, listening unless told not to. Raises ListenError, one line that says what
    to do.
    """
    if not 0 <= port <= 65535:  # the resolver would take it modulo 65536
        raise ListenError(f"cannot listen on {host}:{port}: give a port from 0 to 65535")
    try:
        family, address = _resolved(host, port)
        sock = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise ListenError(f"cannot listen on {host}:{port}: {error}; give an address of this machine") from error
    try:
        if sys.platform != "win32":  # there the option lets two servers share one port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        sock.bind(address)
        if listen:
            sock.listen(1024)
    except OSError as error:
        sock.close()
        raise ListenError(_why(host, port, error)) from error
    return sock


def _resolved(host: str, port: int) -> tuple[int, Any]:
    try:
        socket.inet_pton(socket.AF_INET, host)
    except (OSError, ValueError):
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # A name such as localhost has an address of each family; clients try IPv4 when the other refuses.
        family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
        return family, address
    return socket.AF_INET, (host, port)  # what every test has: the resolver would take longer than all the rest


def _why(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{host}:{port} is taken by another program: stop that one, or give another port (0 for any free one)"
    if error.errno == errno.EACCES:
        return f"{host}:{port} needs a privilege you do not have: give a port above 1023"
    return f"cannot listen on {host}:{port}: {error.strerror}; give an address of this machine"
