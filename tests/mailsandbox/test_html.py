"""What is read from HTML, and what is cut from it before it is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsandbox import html
from mailsandbox.extract import Link, links


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>Hi&nbsp;Ann,</p><p>bye</p>", "Hi Ann,\nbye"),
        ("<style>p{}</style><script>x()</script><p>seen</p>", "seen"),
        ("<td>a</td><td>b</td>", "ab"),
        ("a<br>b", "a\nb"),
        ("5 &lt; 6 &amp;amp; &#x41;", "5 < 6 &amp; A"),
        ('<img src="cid:x" alt="our logo">', "our logo"),
        ("<p>unclosed <b>bold", "unclosed bold"),
        ("", ""),
    ],
)
def test_visible_text(markup: str, text: str) -> None:
    """As a reader sees it."""
    assert html.visible_text(markup) == text


def test_wild_markup_is_read_without_a_tree() -> None:
    """A hundred thousand nested elements are text all the same."""
    assert html.visible_text("<div>" * 100_000 + "deep") == "deep"
    assert html.links("<b>" * 5_000 + '<a href="https://a.test/">x</a>') == [("", "https://a.test/")]
    assert "deep" in html.displayable("<div>" * 100_000 + "deep", lambda _: None)


@pytest.mark.parametrize(
    ("markup", "text", "expected"),
    [
        ('<a href="https://a.test/?a=1&amp;b=2">Go <b>on</b></a>', "", Link("Go on", "https://a.test/?a=1&b=2")),
        ("", "See https://a.test/x.", Link("https://a.test/x", "https://a.test/x")),
        ("", "(https://a.test/x_(y))", Link("https://a.test/x_(y)", "https://a.test/x_(y)")),
        ("", "<https://a.test/x>", Link("https://a.test/x", "https://a.test/x")),
        ('<a href="https://a.test/"><img alt="Shop"></a>', "", Link("Shop", "https://a.test/")),
    ],
)
def test_links(markup: str, text: str, expected: Link) -> None:
    """What a reader could follow, without the punctuation around it."""
    assert links(markup, text) == (expected,)


def test_a_link_of_both_parts_is_one() -> None:
    """The text's copy of an HTML link is not a second link."""
    assert len(links('<a href="https://a.test/">x</a>', "x: https://a.test/")) == 1


@given(st.text())
def test_reading_never_fails(markup: str) -> None:
    """Whatever the markup."""
    html.visible_text(markup)
    links(markup, markup)
    html.displayable(markup, lambda _: None)


@given(st.text(alphabet="ab <>&;\u00e9"))
def test_what_is_escaped_is_seen(text: str) -> None:
    """The visible text of a text in HTML is the text, white space collapsed."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert html.visible_text(f"<p>{escaped}</p>") == html.collapse(text)
