"""The newsletter: one mail to every user."""

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from . import mail, sending, user
from .auth import login_required

bp = Blueprint("newsletter", __name__)


@bp.route("/newsletter", methods=["GET", "POST"])
@login_required
def write() -> ResponseReturnValue:
    if request.method == "GET":
        return render_template("blog/newsletter.html")
    # A newline in a subject would begin a header of the visitor's choice; Flask-Mail raises on one.
    subject = " ".join(request.form["subject"].split())
    body = request.form["body"].strip()
    if not subject or not body:
        flash("A newsletter needs a subject and a text.", "error")
        return render_template("blog/newsletter.html")
    readers = user.everyone()
    if sending.deliver(mail.newsletter(subject, body, g.user, readers), path="bulk"):
        flash(f"Newsletter sent to {len(readers)} {'reader' if len(readers) == 1 else 'readers'}.")
    else:
        flash("The newsletter could not be sent to everybody. The log says who is missing.", "error")
    return redirect(url_for("index"))
