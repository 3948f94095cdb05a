"""Links in a mail's HTML or text.

Pure functions over strings: what a reader could follow. Knows no message.
"""

import re
from dataclasses import dataclass

from mailsandbox import html as markup

# A URL in running text ends at white space or at a character that only closes what surrounds it.
_URL = re.compile(r"""\b(?:https?://|mailto:|www\.)[^\s<>"'\\^`{|}]+""", re.IGNORECASE)
_TRAILING = ".,;:!?*_"
_BRACKETS = {")": "(", "]": "["}


@dataclass(frozen=True)
class Link:
    """Something to follow: its visible text (white space collapsed) and its target as the mail gives it."""

    text: str
    href: str

    def __str__(self) -> str:
        return self.href if self.text in ("", self.href) else f"{self.text} <{self.href}>"


def _trimmed(url: str) -> str:
    """`url` without the punctuation that belongs to the sentence around it."""
    while url and (
        url[-1] in _TRAILING or (url[-1] in _BRACKETS and url.count(url[-1]) > url.count(_BRACKETS[url[-1]]))
    ):
        url = url[:-1]
    return url


def links(html: str, text: str) -> tuple[Link, ...]:
    """The links of a mail, in order: those of its HTML, then those that only its text has."""
    found = [Link(label, href) for label, href in markup.links(html)] if html else []
    known = {link.href for link in found}
    for match in _URL.finditer(text):
        href = _trimmed(match.group())
        if href not in known:
            known.add(href)
            found.append(Link(href, href))
    return tuple(found)
