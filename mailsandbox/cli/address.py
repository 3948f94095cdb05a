"""HOST:PORT as the command line spells it."""

import ipaddress
import re

import click

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]\s]*)):(\d{1,5})")


def parse(text: str) -> tuple[str, int]:
    """The host and port of `text`; an IPv6 host stands in brackets. Raises ValueError with a reason."""
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found[3]) > 65535:
        raise ValueError(
            f"{text!r} is no address: give HOST:PORT, PORT a number, such as 127.0.0.1:8025 (0: any free one)"
        )
    return found[1] or found[2] or "127.0.0.1", int(found[3])


def spell(host: str, port: int) -> str:
    """HOST:PORT, the host in brackets where it has colons itself."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`, an address that is listened on."""
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


class HostPort(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.4 only
    """An address to listen on, as a (host, port) pair."""

    name = "HOST:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        try:
            return parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
