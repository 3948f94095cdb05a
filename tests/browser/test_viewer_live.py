"""The viewer in a real browser: live, safe, and whole without a script."""

import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from flask import Flask

from mailsandbox_viewer import ViewerServer
from tests.web_viewer.conftest import Send

PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5Erk"
    "Jggg=="
)


class _Canary(ThreadingHTTPServer):
    """A web server that only remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Remember)

    def get_request(self) -> Any:
        accepted = super().get_request()
        self.asked.append("a connection")  # preconnect sends no request
        return accepted


class _Remember(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def canary() -> Iterator[_Canary]:
    with _Canary() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def expect(shown: Any) -> Any:
    """Playwright's waiting assertion; imported late, as playwright may be missing."""
    from playwright.sync_api import expect

    return expect(shown)


def subjects(page: Any) -> list[str]:
    found: list[str] = page.locator(".mail .subject").all_inner_texts()
    return found


def test_two_windows_and_ten_tabs_show_new_mail(browser: Any, server: ViewerServer, app: Flask, send: Send) -> None:
    with ExitStack() as opened:
        windows = [opened.enter_context(browser.new_context()) for _ in range(2)]
        pages = [windows[0].new_page()] + [windows[1].new_page() for _ in range(10)]
        for page in pages:
            page.goto(server.url)
            page.wait_for_selector('#live[data-state="on"]')
        assert app.extensions["mailsandbox"].streams == 2  # one for each browser, not for each tab
        send(Subject="the first")
        for page in pages:
            page.wait_for_selector("text=the first")
            expect(page).to_have_title("(1) mailsandbox")
        send(Subject="the second")
        for page in pages:
            page.wait_for_selector("text=the second")
            assert subjects(page) == ["the second", "the first"]


def test_a_tab_opened_later_neither_misses_nor_doubles(browser: Any, server: ViewerServer, send: Send) -> None:
    with browser.new_context() as window:
        first = window.new_page()
        first.goto(server.url)
        first.wait_for_selector('#live[data-state="on"]')
        send(Subject="a")
        second = window.new_page()

        def mail_comes_first(route: Any) -> None:  # after the page was made and before its script asks
            send(Subject="b")
            route.continue_()

        second.route("**/static/live.js", mail_comes_first)
        second.goto(server.url)
        send(Subject="c")
        for page in (first, second):
            expect(page.locator(".mail")).to_have_count(3)
            assert subjects(page) == ["c", "b", "a"]


def test_without_shared_workers_a_tab_listens_itself(browser: Any, server: ViewerServer, send: Send) -> None:
    with browser.new_context() as window:
        window.add_init_script("delete window.SharedWorker")
        page = window.new_page()
        page.goto(server.url)
        page.wait_for_selector('#live[data-state="on"]')
        send(Subject="a")
        page.wait_for_selector("text=Hello Bob")
        assert subjects(page) == ["a"]


def test_a_page_gone_back_to_is_up_to_date(browser: Any, server: ViewerServer, send: Send) -> None:
    with browser.new_context() as window:
        page = window.new_page()
        send(Subject="a")
        page.goto(server.url)
        page.click(".mail a")
        send(Subject="b")
        page.go_back()
        expect(page.locator(".mail")).to_have_count(2)
        assert subjects(page) == ["b", "a"]


def test_everything_can_be_read_without_a_script(browser: Any, server: ViewerServer, send: Send) -> None:
    with browser.new_context(java_script_enabled=False) as window:
        page = window.new_page()
        send(Subject="plain")
        page.goto(server.url)
        page.click("text=plain")
        assert "Hello Bob" in page.inner_text(".view")
        page.click("text=Envelope")
        assert "bounce@example.org" in page.inner_text(".view")
        page.goto(server.url)
        page.click("text=Delete all")
        page.wait_for_selector("#empty")


def test_the_delete_button_works_in_a_browser(browser: Any, server: ViewerServer, send: Send) -> None:
    with browser.new_context() as window:
        page = window.new_page()
        send(Subject="plain")
        page.goto(server.url)
        page.on("dialog", lambda dialog: dialog.accept())
        page.click("text=Delete all")
        page.wait_for_selector("#empty")


def hostile(canary: _Canary) -> EmailMessage:
    url = f"http://127.0.0.1:{canary.server_address[1]}"
    mail = EmailMessage()
    mail["Subject"] = "hostile"
    mail.set_content("text")
    mail.add_alternative(
        f"""<html><head><link rel=preconnect href="{url}/p">
        <link rel=stylesheet href="{url}/c">
        <meta http-equiv=refresh content="0;url={url}/r"><base href="{url}/">
        <style>@import "{url}/i"; body {{ background: url({url}/b) }}
        @font-face {{ font-family: x; src: url({url}/f) }}
        p {{ font-family: x }}</style>
        <script>document.title = "ran"; fetch("{url}/s")</script></head>
        <body onload="document.title='ran'; fetch('{url}/o')"><p>seen</p>
        <img src="{url}/img" onerror="document.title='ran'">
        <img src="/api/v1/message/2"><img src="cid:logo" id="logo">
        <iframe src="{url}/f"></iframe><object data="{url}/o"></object><video src="{url}/v" autoplay></video>
        <form action="{url}/form"><button id="go">go</button></form>
        <svg><image href="{url}/svg"/></svg></body></html>""",
        subtype="html",
    )
    mail.get_payload()[1].add_related(PNG, "image", "png", cid="<logo>")  # type: ignore[union-attr, index]
    return mail


@pytest.mark.parametrize("path", ["message/1", "view/1.html"])
def test_a_hostile_mail_runs_and_fetches_nothing(
    browser: Any, server: ViewerServer, send: Send, canary: _Canary, path: str
) -> None:
    send(hostile(canary))
    send(Subject="unread")
    with browser.new_context() as window:
        page = window.new_page()
        answered: list[str] = []
        page.on("requestfinished", lambda request: answered.append(request.url))
        page.goto(server.url + path, wait_until="load")
        frame = next(frame for frame in page.frames if "/view/" in frame.url)
        frame.wait_for_selector("text=seen")
        frame.click("#go")
        page.wait_for_load_state("networkidle")
        assert canary.asked == []
        assert frame.title() != "ran"
        assert frame.evaluate("document.getElementById('logo').naturalWidth") == 5
        assert not [url for url in answered if url.startswith(server.url + "api/v1/")]
        page.goto(server.url)
        assert page.locator(".mail.unread").count() >= 1
