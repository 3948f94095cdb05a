"""What the documents say is true: their examples run, their names exist."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from mailsandbox import profiles
from mailsandbox.cli import cli
from mailsandbox.faults import Stage
from mailsandbox.matching import CRITERIA
from mailsandbox.smtp import Control
from mailsandbox.smtp.tls import CERTIFICATES, MODES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOP = """
import pytest
from flask import Flask, request
from flask_mail import Mail, Message

@pytest.fixture
def app():
    app = Flask("shop")
    app.config.update(TESTING=True, MAIL_DEFAULT_SENDER="shop@shop.test")
    mail = Mail(app)

    @app.post("/signup")
    def signup():
        to = request.form["email"]
        mail.send(Message("Welcome to Shop", [to], html="<p>Hi Ann</p>", bcc=["archive@shop.test"]))
        return "ok"

    @app.post("/reset")
    def reset():
        mail.send(Message("Reset your password", [request.form["email"]], body="..."))
        return "ok"

    return app

@pytest.fixture
def client(app):
    return app.test_client()
"""


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("document", ["README.md", "docs/server.md"])
def test_the_examples_run(pytester: pytest.Pytester, document: str) -> None:
    """As printed, in a project with an `app` and a `client`."""
    examples = blocks((ROOT / document).read_text(encoding="utf-8"), "python")
    pytester.makeconftest(SHOP)
    pytester.makepyfile(test_document="\n\n".join(["import smtplib, pytest", *examples]))
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=len(examples))


def test_the_failure_text_is_real(pytester: pytest.Pytester) -> None:
    """The text the README shows is what a misspelt subject gets."""
    pytester.makeconftest(SHOP)
    pytester.makepyfile(
        """
        def test_reset(client, mailbox):
            client.post("/reset", data={"email": "ann@shop.test"})
            mailbox.one(to="ann@shop.test", subject="Reset your pasword")
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    shown = [re.sub(r"^E +(AssertionError: )?", "", line) for line in result.outlines if line.startswith("E ")]
    expected = blocks(README, "text")[0].splitlines()
    assert [line.strip() for line in shown] == [line.strip() for line in expected]


def test_every_criterion_is_listed() -> None:
    """The README's list is the code's."""
    listed = re.search(r"Criteria: `([a-z_ ]+)`", README)
    assert listed is not None
    assert set(listed[1].split()) == set(CRITERIA)


def test_the_page_of_the_server_names_what_there_is() -> None:
    """Every profile, stage, verb and TLS mode."""
    page = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")
    verbs = {name for name in vars(Control) if not name.startswith("_")} - {"add", "script", "transcript"}
    for name in [*profiles.NAMES, *Stage, *verbs, *MODES, *CERTIFICATES[1:]]:
        assert re.search(rf"\b{re.escape(name)}\b", page), name


def test_commands_and_options_exist() -> None:
    """Every `mailsandbox` command, option and variable that a document names is one."""
    named = set(re.findall(r"mailsandbox ([a-z]+)\b(?=[^\n]*`)", README))
    for command in named & {"serve", "demo"}:
        assert CliRunner().invoke(cli, [command, "--help"]).exit_code == 0
    assert "serve" in named
    serve = CliRunner().invoke(cli, ["serve", "--help"]).output
    for variable in re.findall(r"export MAILSANDBOX_([A-Z]+)=", README):
        assert f"--{variable.lower()} " in serve


def test_the_two_commands_are_one_line_each() -> None:
    """From a clean clone: set up and run the demo; set up and pass the tests."""
    setup = [block for block in blocks(README, "sh") if "venv" in block]
    assert len(setup) == 2
    assert all(len(block.splitlines()) == 1 and "pip install -e" in block for block in setup)


def test_links_lead_to_files() -> None:
    """No document points at a file that is not there."""
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_benchmarks_page_names_its_command() -> None:
    """It was made by the command, and has every benchmark there is; the figures are judged by `--check` alone."""
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "python -m tests.benchmarks" in page
    for title in ("Capture", "One 25 MB message", "A test with the fixture", "pytest start-up"):
        assert f"## {title}\n" in page
