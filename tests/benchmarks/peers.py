"""The servers that take the load, each a process of its own, and whether this machine has them."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

_SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def program(name: str) -> str | None:
    """Where `name` is; Debian keeps Postfix's test tools where a user's PATH does not look."""
    return shutil.which(name, path=_SBIN)


def has(module: str) -> bool:
    return find_spec(module) is not None


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass(frozen=True)
class Peer:
    """A server that takes mail; `command` is what starts it on a port, or, with `says`, prints the port it took."""

    name: str
    command: list[str]
    says: str = ""
    store: Path | None = field(default=None)

    @contextmanager
    def running(self) -> Iterator[int]:
        """The port it listens on, while the block runs."""
        port = free_port()
        command = [part.replace("{port}", str(port)) for part in self.command]
        out = subprocess.PIPE if self.says else subprocess.DEVNULL
        process = subprocess.Popen(command, stdout=out, text=True)
        try:
            if self.says:
                assert process.stdout is not None
                line = process.stdout.readline()
                if not line.startswith(self.says):
                    raise RuntimeError(f"{self.name} said {line!r} instead of {self.says!r}")
                port = int(line.rstrip().rpartition(":")[2])
            else:
                _connectable(port, process)
            yield port
        finally:
            process.terminate()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _connectable(port: int, process: "subprocess.Popen[str]") -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            continue
        return
    raise RuntimeError(f"it ended at once with {process.returncode}")


def smtp_sink() -> Peer | None:
    """Postfix's own sink: C, keeps nothing. The distance to the physical limit."""
    path = program("smtp-sink")
    user = ["-u", "nobody"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return Peer("Postfix smtp-sink, keeps nothing", [path, *user, "127.0.0.1:{port}", "1000"]) if path else None


def stock_aiosmtpd() -> Peer:
    """aiosmtpd as its documentation starts it, with its handler that keeps nothing."""
    sink = "aiosmtpd.handlers.Sink"
    return Peer("stock aiosmtpd, keeps nothing", [*_PYTHON, "aiosmtpd", "-n", "-c", sink, "-l", "127.0.0.1:{port}"])


def maildev() -> Peer | None:
    """MailDev, of the npm registry: the capture server a front-end developer would know."""
    folder = os.environ.get("MAILSANDBOX_NODE_MODULES")
    local = Path(folder) / "node_modules" / ".bin" / "maildev" if folder else None
    path = str(local) if local is not None and local.exists() else program("maildev")
    options = ["--smtp", "{port}", "--ip", "127.0.0.1", "--disable-web", "--silent"]
    return Peer("MailDev, keeps mail in files", [path, *options]) if path else None


def mailsandbox(store: Path) -> Peer:
    """Ours, as a user starts it: each 250 after the commit of a SQLite file."""
    command = [*_PYTHON, "mailsandbox", "serve", "--smtp", "127.0.0.1:0", "--no-viewer", "--store", str(store)]
    return Peer("mailsandbox, SQLite file", command, says="smtp ", store=store)


_PYTHON = [sys.executable, "-m"]
