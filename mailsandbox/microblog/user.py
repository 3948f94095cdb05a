"""A user, as read from the database."""

from dataclasses import dataclass, fields
from typing import Any

from .db import get_db


@dataclass(frozen=True, slots=True)
class User:
    id: int
    username: str
    email: str
    about: str


_SELECT = f"SELECT {', '.join(field.name for field in fields(User))} FROM user"


def _find(where: str, value: Any) -> User | None:
    row = get_db().execute(f"{_SELECT} WHERE {where} = ?", (value,)).fetchone()
    return User(*row) if row else None


def by_id(user_id: int) -> User | None:
    return _find("id", user_id)


def by_name(username: str) -> User | None:
    return _find("username", username)


def everyone() -> list[User]:
    return [User(*row) for row in get_db().execute(f"{_SELECT} ORDER BY username")]
