"""HTML as a mail carries it: its visible text, its links, and a copy that fetches nothing.

The only module that knows an HTML parser. It knows no message and does no I/O. A document that would cost the parser
more than it is worth (see `_MAX_DEPTH`) is read with a plain scan instead, so no mail can stall a reader.
"""

import re
from collections.abc import Callable
from html import unescape

from selectolax.lexbor import LexborHTMLParser, LexborNode

# Opening an element costs the parser a walk through its open ancestors, so n nested elements cost n²: 20,000 nested
# <div> take a second and 100,000 take 46. Real mails nest tables a few dozen deep.
_MAX_DEPTH = 1_000
# An element with n attributes costs n² for the same reason.
_MAX_ATTRIBUTES = 2_000

_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/<>]*)([^<>]*)>")
# These close by themselves, or never open, so that an unclosed one in a long mail is not depth.
_FLAT = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
        "p",
        "li",
        "dt",
        "dd",
        "tr",
        "td",
        "th",
        "tbody",
        "thead",
        "tfoot",
        "option",
    ]
)
_BLOCK = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "br",
        "center",
        "dd",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "title",
        "tr",
        "ul",
    ]
)
_SILENT = frozenset(["script", "style", "template", "head", "noscript"])
_SPACE = re.compile(r"\s+")


def is_tame(html: str) -> bool:
    """Whether `html` can be parsed in time linear in its length."""
    depth = 0
    for tag in _TAG.finditer(html):
        closing, name, attributes = tag.groups()
        if attributes.count("=") > _MAX_ATTRIBUTES or len(attributes.split()) > _MAX_ATTRIBUTES:
            return False
        if name.lower() in _FLAT or attributes.endswith("/"):
            continue
        depth = max(0, depth - 1) if closing else depth + 1
        if depth > _MAX_DEPTH:
            return False
    return html.count("=", html.rfind("<") + 1) <= _MAX_ATTRIBUTES


def collapse(text: str) -> str:
    """`text` with every run of white space (no-break spaces included) as one blank, none at the ends."""
    return _SPACE.sub(" ", text).strip()


def visible_text(html: str) -> str:
    """What a reader sees of `html`: entities decoded, blocks on lines of their own, no scripts, styles or title."""
    if not is_tame(html):
        return collapse(unescape(_TAG.sub(" ", html)))
    body = LexborHTMLParser(html).body
    if body is None:
        return ""
    pieces: list[str] = []
    _walk(body, pieces)
    lines = (collapse(line) for line in "".join(pieces).split("\n"))
    return "\n".join(line for line in lines if line)


def _walk(top: LexborNode, pieces: list[str]) -> None:
    """Collect the text below `top` in document order, without recursion."""
    stack: list[LexborNode | str] = [top]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            pieces.append(node)
        elif node.tag == "-text":
            pieces.append(_SPACE.sub(" ", node.text_content or ""))
        elif node.tag not in _SILENT:
            if node.tag in _BLOCK:
                pieces.append("\n")
                stack.append("\n")
            if node.tag == "img" and (alt := node.attributes.get("alt")):
                pieces.append(f" {alt} ")
            stack.extend(reversed(list(node.iter(include_text=True))))


def links(html: str) -> list[tuple[str, str]]:
    """Every (visible text, href) of `html` in document order; an image link's text is the image's alt text."""
    if not is_tame(html):
        return [("", unescape(href)) for href in re.findall(r"""href\s*=\s*["']?([^"'\s>]+)""", html)]
    found = []
    for anchor in LexborHTMLParser(html).css("a[href], area[href]"):
        pieces: list[str] = []
        _walk(anchor, pieces)
        text = "".join(pieces) or anchor.attributes.get("alt") or ""
        found.append((collapse(text), (anchor.attributes.get("href") or "").strip()))
    return found


# What is cut from a document before it is shown. The page that shows it forbids scripts, forms and every fetch by
# policy; these are the few that act all the same (`preconnect` does, whatever the policy says) or would look broken.
_CUT = "link, script, base, meta[http-equiv], iframe, frame, frameset, object, embed, applet, portal"
_CID_ATTRIBUTES = ("src", "background", "href", "poster")
_CID_IN_STYLE = re.compile(r"""cid:([^"')\s]+)""", re.IGNORECASE)


def displayable(html: str, cid_url: Callable[[str], str | None]) -> str:
    """`html` as a document to show: what acts by itself cut out, `cid:` references led to `cid_url(content_id)`.

    A reference for which `cid_url` has no answer stays as it was. Too wild a document comes back as its visible text.
    """
    if not is_tame(html):
        escaped = visible_text(html).replace("&", "&amp;").replace("<", "&lt;")
        return f"<!DOCTYPE html><html><body><pre>{escaped}</pre></body></html>"
    document = LexborHTMLParser(html)

    def led(reference: re.Match[str]) -> str:
        return cid_url(unescape(reference.group(1))) or reference.group(0)

    for node in document.css(_CUT):
        node.decompose()
    for node in document.css("*"):
        attributes = node.attributes
        for name in _CID_ATTRIBUTES:
            value = attributes.get(name)
            if value and value[:4].lower() == "cid:" and (url := cid_url(value[4:])):
                node.attrs[name] = url
        style = attributes.get("style")
        if style and "cid:" in style.lower():
            node.attrs["style"] = _CID_IN_STYLE.sub(led, style)
    return document.html or ""
