"""A real browser, and what it is shown."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.web_viewer.conftest import app, sandbox, send, server  # noqa: F401 - the same fixtures

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def _missing(reason: str) -> None:
    if os.environ.get("MAILSANDBOX_TEST_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


# Per module: while it lives, its thread has a running event loop, which other tests must not meet.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        _missing("playwright is not installed")
        return
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        try:
            running = playwright.chromium.launch(executable_path=found, args=_FLAGS)
        except Error as problem:
            _missing(f"no Chromium can be started: {problem.message.splitlines()[0]}")
            return
        yield running
        running.close()
