"""Mail providers as data: what their servers announce, require, limit and say.

Owns the form of a profile and the files beside this one, each figure of which cites its source. Decides nothing: the
SMTP session does what a profile says.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from mailsandbox.errors import BadSetting, listed

NAMES = (
    "gmail",
    "microsoft365",
    "ses",
    "sendgrid",
    "mailgun",
    "postmark",
    "postfix",
    "legacy",
    "debugging",
    "strict",
)
_TOP = ("title", "ports", "banner", "extensions", "starttls", "helo_only", "strict")
_TABLES = {
    "auth": ("mechanisms", "required", "before_tls"),
    "limits": ("message", "recipients", "messages_per_connection", "connections", "rate", "line"),
    "sender": ("verified", "check"),
    "replies": (
        "tls_required",
        "auth_required",
        "auth_failed",
        "sender_unverified",
        "too_large",
        "too_many_recipients",
        "too_many_messages",
        "rate_exceeded",
        "line_too_long",
        "too_many_connections",
        "accepted",
        "goodbye",
    ),
}


@dataclass(frozen=True)
class Profile:
    """One provider. What its documentation does not say is None, and the server's own setting stands.

    `ports` are the real server's, for information. `extensions` are EHLO keywords without STARTTLS and AUTH. `rate` is
    (messages, seconds). `check` is where a sender must be verified: "envelope", "header" or "both". `replies` are the
    provider's own words by situation; `{address}`, `{size}` and `{id}` are filled in. `strict` takes the RFCs at their
    word: bare CR or LF, undeclared 8-bit data and addresses without a domain are refused.
    """

    name: str
    title: str
    ports: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    banner: str | None = None
    extensions: tuple[str, ...] | None = None
    starttls: str | None = None
    helo_only: bool = False
    strict: bool = False
    mechanisms: tuple[str, ...] | None = None
    auth_required: bool = False
    auth_before_tls: bool = True
    message: int | None = None
    recipients: int | None = None
    messages_per_connection: int | None = None
    connections: int | None = None
    rate: tuple[int, int] | None = None
    line: int | None = None
    sender_verified: bool = False
    check: str = "envelope"
    replies: Mapping[str, str] = field(default_factory=dict)


@cache
def load(name: str) -> Profile:
    """The profile called `name`. Raises BadSetting listing those there are."""
    if name not in NAMES:
        raise BadSetting(f"unknown profile {name!r}; {listed(NAMES, str(name))}")
    text = files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return parse(name, tomllib.loads(text))


def parse(name: str, data: Mapping[str, Any]) -> Profile:
    """A profile from the tables of its file. Raises BadSetting for a key that is none."""
    for table, known in [("", _TOP), *_TABLES.items()]:
        for key in data.get(table, {}) if table else data:
            if key not in known and (table or key not in _TABLES):
                where = f"[{table}] {key}" if table else key
                raise BadSetting(f"profile {name!r}: unknown key {where!r}; {listed([*known, *_TABLES], key)}")
    auth, limits, sender = data.get("auth", {}), data.get("limits", {}), data.get("sender", {})
    rate = limits.get("rate")
    return Profile(
        name=name,
        title=data["title"],
        ports=MappingProxyType({kind: tuple(ports) for kind, ports in data.get("ports", {}).items()}),
        banner=data.get("banner"),
        extensions=tuple(data["extensions"]) if "extensions" in data else None,
        starttls=data.get("starttls"),
        helo_only=data.get("helo_only", False),
        strict=data.get("strict", False),
        mechanisms=tuple(auth["mechanisms"]) if "mechanisms" in auth else None,
        auth_required=auth.get("required", False),
        auth_before_tls=auth.get("before_tls", True),
        message=limits.get("message"),
        recipients=limits.get("recipients"),
        messages_per_connection=limits.get("messages_per_connection"),
        connections=limits.get("connections"),
        rate=(rate["messages"], rate["seconds"]) if rate else None,
        line=limits.get("line"),
        sender_verified=sender.get("verified", False),
        check=sender.get("check", "envelope"),
        replies=MappingProxyType(dict(data.get("replies", {}))),
    )
