"""Posts, profiles, and following one another."""

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from . import sending, user
from .auth import login_required
from .db import get_db
from .mail import follower_notification

bp = Blueprint("blog", __name__)

POST_LIMIT = 500
POSTS = "SELECT username, created, body FROM post JOIN user ON user.id = author_id"
NEWEST = "ORDER BY created DESC, post.id DESC LIMIT 20"


def _user_or_404(username: str) -> user.User:
    return user.by_name(username) or abort(404)


@bp.get("/")
def index() -> ResponseReturnValue:
    posts = get_db().execute(f"{POSTS} {NEWEST}").fetchall()
    return render_template("blog/index.html", users=user.everyone(), posts=posts, post_limit=POST_LIMIT)


@bp.post("/post")
@login_required
def write() -> ResponseReturnValue:
    body = request.form["body"].strip()
    if 0 < len(body) <= POST_LIMIT:
        with get_db() as db:
            db.execute("INSERT INTO post (author_id, body) VALUES (?, ?)", (g.user.id, body))
    else:
        flash(f"A post has 1 to {POST_LIMIT} characters.", "error")
    return redirect(url_for("index"))


@bp.get("/user/<username>")
def profile(username: str) -> ResponseReturnValue:
    shown = _user_or_404(username)
    db = get_db()
    followers = db.execute(
        "SELECT user.id, username FROM follow JOIN user ON user.id = follower_id"
        " WHERE followed_id = ? ORDER BY username",
        (shown.id,),
    ).fetchall()
    posts = db.execute(f"{POSTS} WHERE author_id = ? {NEWEST}", (shown.id,)).fetchall()
    following = g.user is not None and g.user.id in {row["id"] for row in followers}
    return render_template("blog/profile.html", user=shown, posts=posts, followers=followers, following=following)


@bp.post("/follow/<username>")
@login_required
def follow(username: str) -> ResponseReturnValue:
    followed = _user_or_404(username)
    if followed.id == g.user.id:
        flash("You cannot follow yourself.", "error")
        return redirect(url_for("blog.profile", username=username))
    with get_db() as db:
        added = db.execute("INSERT OR IGNORE INTO follow VALUES (?, ?)", (g.user.id, followed.id)).rowcount
    # The mail comes after the commit: a mail server that is down must not undo the follow. And only a new
    # follower is news, so a second click sends nothing.
    if added:
        flash(f"You are now following {followed.username}.")
        if not sending.deliver([follower_notification(g.user, followed)]):
            flash(f"We could not send {followed.username} a mail about it just now.", "error")
    return redirect(url_for("blog.profile", username=username))


@bp.post("/unfollow/<username>")
@login_required
def unfollow(username: str) -> ResponseReturnValue:
    followed = _user_or_404(username)
    with get_db() as db:
        db.execute("DELETE FROM follow WHERE follower_id = ? AND followed_id = ?", (g.user.id, followed.id))
    flash(f"You no longer follow {followed.username}.")
    return redirect(url_for("blog.profile", username=username))
