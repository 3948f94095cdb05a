"""The plugin as a user's project meets it, in runs of its own."""

import pytest

CONFTEST = """
import pytest
from flask import Flask
from flask_mail import Mail, Message

mail = Mail()

@pytest.fixture{scope}
def app({needs}):
    app = Flask("shop")
    app.config.update(TESTING=True, MAIL_SERVER="smtp.invalid", MAIL_DEFAULT_SENDER="shop@shop.test")
    {before}
    mail.init_app(app)
    return app

@pytest.fixture
def send(app):
    def send(subject="Hello", to="ann@shop.test"):
        with app.app_context():
            mail.send(Message(subject, recipients=[to], body="hi"))
    return send
"""


def conftest(scope: str = "", needs: str = "", before: str = "pass") -> str:
    return CONFTEST.format(scope=scope, needs=needs, before=before)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
@pytest.mark.parametrize("scope", ["", "(scope='session')"], ids=["function", "session"])
def test_each_test_sees_its_own_mail(pytester: pytest.Pytester, workers: tuple[str, ...], scope: str) -> None:
    """200 tests, each sending one mail through Flask-Mail under TESTING, see exactly their own."""
    pytester.makeconftest(conftest(scope))
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(200))
        def test_one(number, send, mailbox):
            send(f"mail {number}")
            assert [message.subject for message in mailbox] == [f"mail {number}"]
        """
    )
    pytester.runpytest_subprocess("-W", "error", *workers).assert_outcomes(passed=200)


@pytest.mark.parametrize("order", ["app, mailbox", "mailbox, app"])
def test_binding_is_undone(pytester: pytest.Pytester, order: str) -> None:
    """An application of the session is put back after each test, whichever fixture came first."""
    pytester.makeconftest(conftest("(scope='session')"))
    pytester.makepyfile(
        f"""
        def test_bound({order}):
            assert app.extensions["mail"].port == mailbox.port == app.config["MAIL_PORT"]
            assert app.extensions["mail"].suppress is False

        def test_back(app):
            assert app.extensions["mail"].server == "smtp.invalid"
            assert app.extensions["mail"].suppress is True
            assert "MAIL_PORT" not in app.config
        """
    )
    pytester.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=2)


def test_an_app_that_asks_for_the_mailbox(pytester: pytest.Pytester) -> None:
    """The fixture may use `mailbox.mail_config` itself."""
    pytester.makeconftest(conftest(needs="mailbox", before="app.config.update(mailbox.mail_config)"))
    pytester.makepyfile("def test(send, mailbox):\n    send()\n    assert mailbox.one().to == ['ann@shop.test']")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_failing_test_shows_its_mail(pytester: pytest.Pytester) -> None:
    """The failure text has the nearest miss, the report the mail."""
    pytester.makeconftest(conftest())
    pytester.makepyfile(
        """
        def test_reset(send, mailbox):
            send("Reset your password")
            mailbox.one(to="ann@shop.test", subject="Reset your pasword")
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*expected exactly 1 mail with to='ann@shop.test', subject='Reset your pasword', got 0",
            "*#0 'Reset your password' to ann@shop.test",
            "*closest: #0 differs in",
            "*subject: expected 'Reset your pasword'",
            "*got 'Reset your password'",
            "*Captured mail*",
            "*| hi*",
        ]
    )


def test_an_app_that_is_not_flask_is_left_alone(pytester: pytest.Pytester) -> None:
    """A fixture named `app` may be anything."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def app():
            return object()

        def test(app, mailbox):
            assert len(mailbox) == 0
            mailbox.none()
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_the_plugin_imports_nothing_heavy(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that uses no mailbox loads no server, no Flask and no database."""
    pytester.makepyfile(
        """
        import sys

        def test():
            heavy = {"aiosmtpd", "flask", "sqlalchemy", "selectolax", "asyncio"}
            assert not heavy & set(sys.modules)
        """
    )
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # others may import what they like
    pytester.runpytest_subprocess("-p", "pytest_mailsandbox").assert_outcomes(passed=1)


def test_an_app_that_is_asked_for_late(pytester: pytest.Pytester) -> None:
    """A session's `app`, made for an earlier test and fetched by name in this one, sends here too."""
    pytester.makeconftest(
        """
        import pytest
        from flask import Flask
        from flask_mail import Mail

        @pytest.fixture(scope="session")
        def app():
            app = Flask("app")
            app.config.update(TESTING=True, MAIL_DEFAULT_SENDER="a@b.test")
            app.mail = Mail(app)
            return app
        """
    )
    pytester.makepyfile(
        """
        def test_first(app):
            pass

        def test_second(mailbox, request):
            app = request.getfixturevalue("app")
            with app.app_context():
                app.mail.send_message("hi", recipients=["c@d.test"], body="hi")
            assert mailbox.one().subject == "hi"
        """
    )
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:randomly").assert_outcomes(passed=2)
