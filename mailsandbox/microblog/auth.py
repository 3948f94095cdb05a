"""Who is asking: registering, logging in and out, and the views that need a user."""

import re
import sqlite3
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.security import check_password_hash, generate_password_hash

from . import user
from .db import get_db

P = ParamSpec("P")

bp = Blueprint("auth", __name__, url_prefix="/auth")

ABOUT_LIMIT = 140
USERNAME = re.compile(r"[A-Za-z0-9_-]{1,30}")
# ASCII before the @: anything else needs SMTPUTF8, which Flask-Mail does not speak.
EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[\w-]+(\.[\w-]+)+")


@bp.before_app_request
def load_user() -> None:
    g.user = user.by_id(session["user_id"]) if "user_id" in session else None


def login_required(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Send whoever is not logged in to the login page."""

    @wraps(view)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        if g.user is None:
            return redirect(url_for("auth.login"))
        return view(*args, **kwargs)

    return wrapped


def _register(username: str, email: str, about: str, password: str) -> str | None:
    """Store a new user, or say what is wrong."""
    if not USERNAME.fullmatch(username):
        return "A username has 1 to 30 letters, digits, hyphens or underscores."
    if not EMAIL.fullmatch(email):
        return "That is not an email address we can write to."
    if len(about) > ABOUT_LIMIT:
        return f"Please say it in {ABOUT_LIMIT} characters."
    if not password:
        return "A password is required."
    try:
        with get_db() as db:
            db.execute(
                "INSERT INTO user (username, email, about, password) VALUES (?, ?, ?, ?)",
                (username, email, about, generate_password_hash(password)),
            )
    except sqlite3.IntegrityError:
        return "That username or email address is already registered."
    return None


@bp.route("/register", methods=["GET", "POST"])
def register() -> ResponseReturnValue:
    if request.method == "POST":
        form = request.form
        about = " ".join(form.get("about", "").split())
        error = _register(form["username"].strip(), form["email"].strip(), about, form["password"])
        if error is None:
            flash("Welcome! Please log in.")
            return redirect(url_for("auth.login"))
        flash(error, "error")
    return render_template("auth/register.html", about_limit=ABOUT_LIMIT)


@bp.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    if request.method == "POST":
        found = get_db().execute(
            "SELECT id, password FROM user WHERE username = ?", (request.form["username"].strip(),)
        )
        row = found.fetchone()
        if row and check_password_hash(row["password"], request.form["password"]):
            session.clear()
            session["user_id"] = row["id"]
            return redirect(url_for("index"))
        flash("Unknown username or wrong password.", "error")
    return render_template("auth/login.html")


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    session.clear()
    return redirect(url_for("index"))
