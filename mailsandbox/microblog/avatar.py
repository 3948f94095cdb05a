"""Each user's picture, drawn from the name: nothing is uploaded and no other host is asked."""

from hashlib import sha256

from flask import Blueprint, Response

bp = Blueprint("avatar", __name__)


def identicon(name: str) -> str:
    """An SVG of five by five cells, the left half mirrored; the same name always gives the same picture."""
    digest = sha256(name.lower().encode()).digest()
    hue = digest[0] * 360 // 256
    cells = "".join(
        f"M{column + 1} {row + 1}h1v1h-1z"
        for row in range(5)
        for column in range(5)
        if digest[1 + row * 3 + min(column, 4 - column)] % 2
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 7 7" width="140" height="140"'
        f' shape-rendering="crispEdges"><path fill="hsl({hue} 60% 92%)" d="M0 0h7v7H0z"/>'
        f'<path fill="hsl({hue} 55% 45%)" d="{cells}"/></svg>'
    )


@bp.get("/avatar/<username>.svg")
def show(username: str) -> Response:
    return Response(identicon(username), mimetype="image/svg+xml", headers={"Cache-Control": "max-age=86400"})
