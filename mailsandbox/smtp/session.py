"""One SMTP session: the commands of RFC 5321 and their replies.

Owns the order of the conversation; hands a finished message to the mailbox and answers 250 only when it is kept. Every
reply is a fixed text with its enhanced status code (RFC 3463), the provider's where a profile is in force, or the
script's. Replaces aiosmtpd's own commands: they decode encoded words in addresses, let control characters through, and
put the text of exceptions into replies.
"""

import asyncio
import logging
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from mailsandbox.errors import StoreFull
from mailsandbox.faults import Delay, Drop, FailTLS, Hang, Reply, Stage, StoreThenDrop, Throttle
from mailsandbox.message import Message
from mailsandbox.smtp.connection import Goodbye
from mailsandbox.smtp.data import DataReader
from mailsandbox.smtp.exchange import SMTPExchange
from mailsandbox.smtp.record import Record, readable
from mailsandbox.smtp.service import Service
from mailsandbox.smtp.transaction import Transaction

log = logging.getLogger("mailsandbox.smtp")

# A browser led to this port must not be able to speak SMTP in the lines of its request.
_NOT_SMTP = frozenset([b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH", b"CONNECT", b"TRACE"])


class SMTPSession(SMTPExchange):
    """The server's side of one conversation."""

    def __init__(self, service: Service, number: int, id: str, loop: asyncio.AbstractEventLoop) -> None:
        policy = service.policy
        super().__init__(policy.limits, loop)
        self.service = service
        self.policy = policy
        self.record = Record(number, id, loop.time())
        self._enhanced = policy.offers("ENHANCEDSTATUSCODES")
        self._errors = policy.limits.errors
        self._carried = 0
        self._instead: str | None = None
        self._refusal = ""
        self._unasked = 0  # lines that may be answers to an AUTH we refused, pipelined behind it
        self._cut: int | None = None
        self._break_tls = self._then_drop = self._storing = False
        self._stored_at = float("-inf")
        self._forget()

    def _forget(self) -> None:
        """Back to the state before MAIL."""
        self._transaction = Transaction(self.policy, esmtp=self.record.esmtp)

    @property
    def lively(self) -> bool:
        """Whether a message is being kept, or was within the last moment."""
        return self._storing or self.loop.time() - self._stored_at < 0.05

    def knock(self, peer: str) -> None:
        """Somebody at `peer` (address and port) has connected."""
        self.service.enter(self)
        self.record.peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        host, port = (transport.get_extra_info("peername") or ("", 0))[:2]
        self.knock(f"{host}:{port}")
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.service.leave(self)

    def reply(self, text: str) -> None:
        if self._instead is not None and text[0] in "23":
            text, self._instead = self._instead, None
        elif not self._enhanced:
            text = self.policy.plain(text)
        super().reply(text)

    # One command -------------------------------------------------------------------------------------------------

    async def greet(self) -> None:
        if len(self.service.sessions) > self.limits.connections:
            self.reply(self.policy.words("too_many_connections"))
            raise Goodbye
        if not await self._passes(Stage.CONNECT):
            raise Goodbye
        self.reply(self.policy.banner)

    async def obey(self, line: bytes) -> None:
        verb, _, rest = line.partition(b" ")
        verb = verb.upper()
        if verb == b"MAIL":
            self.record.transcript.begin()
        stage, command = _COMMANDS.get(verb, (None, None))
        self._unasked = self._unasked - 1 if command is None and self._unasked else 0
        hidden = b"***" if command is None and self._unasked else line
        self.note(readable(verb + b" ***" if verb == b"AUTH" and rest else hidden), "C")
        if command is None:
            self._misbehaved(at_once=verb in _NOT_SMTP)
            self.reply("500 5.5.2 Command not recognized")
            return
        try:
            argument = rest.strip(b" ").decode("utf-8")
        except UnicodeDecodeError:
            self.reply("501 5.5.2 Command is not UTF-8")
            return
        if stage is None or await self._passes(stage):
            await command(self, argument)
        self._instead = None

    def _misbehaved(self, *, at_once: bool = False) -> None:
        """One more thing that no client does in good faith."""
        self._errors -= 1
        if self._errors < 1 or at_once:
            self.reply("421 4.7.0 Too many errors, closing")
            raise Goodbye

    async def _passes(self, stage: Stage, *, sender: str | None = None, recipient: str | None = None) -> bool:
        """Do what holds and the script want at `stage`; whether the command then goes on as usual."""
        if not self.service.interferes(stage):
            return True
        for hold in self.service.holding(stage):
            self.note(f"held at {stage}")
            await hold.wait(self.record.peer, self.gone())
        transaction = self._transaction
        recipients = transaction.forward_paths if recipient is None else [recipient]
        sender = transaction.reverse_path if sender is None else sender
        action = self.service.script.decide(stage, sender=sender, recipients=recipients)
        if action is None:
            return True
        self.note(f"script: {action}")
        match action:
            case Reply(code) if code < 400:
                self._instead = action.lines
            case Reply(code):
                super().reply(action.lines)
                self._refusal = action.lines
                if code == 421:
                    raise Goodbye
                return False
            case Drop(None):
                self.drop("dropped by script")
                raise Goodbye
            case Drop(octets):
                self._cut = octets
            case Hang():
                await self.ignore()
                raise Goodbye
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case Throttle(rate):
                self.octets_per_second = rate
            case FailTLS():
                self._break_tls = True
            case StoreThenDrop():
                self._then_drop = True
        return True

    # Commands ----------------------------------------------------------------------------------------------------

    async def smtp_EHLO(self, argument: str) -> None:
        if self.policy.helo_only:
            self.reply("502 5.5.1 EHLO is not implemented")
        elif not argument or (self.policy.strict and not _is_domain(argument)):
            self.reply("501 5.5.4 Syntax: EHLO hostname")
        else:
            self._greeted(argument, esmtp=True)
            self.reply(self.policy.greeting(secure=self.secure))

    async def smtp_HELO(self, argument: str) -> None:
        if not argument or (self.policy.strict and not _is_domain(argument)):
            self.reply("501 5.5.4 Syntax: HELO hostname")
            return
        self._greeted(argument, esmtp=False)
        self.reply(f"250 {self.policy.host}")

    def _greeted(self, name: str, *, esmtp: bool) -> None:
        self.record.ehlo, self.record.esmtp = readable(name.encode()), esmtp
        self._forget()

    async def smtp_STARTTLS(self, argument: str) -> None:
        if argument:
            self.reply("501 5.5.4 Syntax: STARTTLS")
        elif self.secure:
            self.reply("503 5.5.1 TLS is up already")
        elif not self.policy.tls.by_command:
            self.reply("502 5.5.1 STARTTLS is not offered")
        elif await self._passes(Stage.STARTTLS):
            await self._secure()
            self.record.ehlo = self.record.auth = self.record.user = ""
            self.record.esmtp = False
            self._forget()

    async def _secure(self) -> None:
        context = await self.loop.run_in_executor(None, self.service.context, self.policy)
        self.reply("220 2.0.0 Ready to start TLS")
        if self._break_tls:
            self._break_tls = False
            await self.break_tls()
        await self.start_tls(context)

    async def smtp_AUTH(self, argument: str) -> None:
        mechanism, *rest = argument.split() or [""]
        mechanism = mechanism.upper()
        auth, record = self.policy.auth, self.record
        if not auth.mechanisms:
            self.reply("502 5.5.1 AUTH is not offered")
        elif not record.esmtp or record.auth or self._transaction.sender is not None:
            self.reply("503 5.5.1 AUTH comes once, after EHLO and before MAIL")
        elif not self.secure and (self.policy.tls.mode == "required" or not auth.before_tls):
            self.reply(self.policy.words("tls_required"))
        elif mechanism not in auth.mechanisms:
            self.reply("504 5.5.4 Unrecognized authentication type")
        elif len(rest) > 1:
            self.reply("501 5.5.4 Syntax: AUTH mechanism [initial-response]")
        elif await self._passes(Stage.AUTH):
            await self._log_in(mechanism, [mechanism, *rest])
            return
        self._unasked = 3

    async def _log_in(self, mechanism: str, words: list[str]) -> None:
        result = await self.exchange(self.policy.auth, mechanism, words)
        if result.success:
            self.record.auth, self.record.user = mechanism, readable(bytes(result.auth_data or b""))
            self.reply("235 2.7.0 Authentication successful")
        elif not result.handled:
            self.reply(self.policy.words("auth_failed"))
            self._misbehaved()

    async def smtp_MAIL(self, argument: str) -> None:
        record, policy = self.record, self.policy
        if not record.ehlo:
            self.reply("503 5.5.1 Send EHLO or HELO first")
        elif self._transaction.sender is not None:
            self.reply("503 5.5.1 MAIL was given already")
        elif policy.tls.mode == "required" and not self.secure:
            self.reply(policy.words("tls_required"))
        elif policy.auth.required and not record.auth:
            self.reply(policy.words("auth_required"))
        elif isinstance(path := self._transaction.path(argument, "FROM:"), str):
            self.reply(path)
        elif policy.profile and self._carried >= (policy.profile.messages_per_connection or self._carried + 1):
            refusal = policy.words("too_many_messages")
            self.reply(refusal)
            if refusal.startswith("421"):
                raise Goodbye
        else:
            if not await self._passes(Stage.MAIL, sender=path.address):
                return
            if unfit := self._transaction.refuse_mail(path):
                self.reply(unfit)
                return
            self._transaction.sender = path
            self.reply("250 2.1.0 Ok")

    async def smtp_RCPT(self, argument: str) -> None:
        transaction = self._transaction
        if transaction.sender is None:
            self.reply("503 5.5.1 Send MAIL first")
            return
        path = transaction.path(argument, "TO:")
        if isinstance(path, str):
            self.reply(path)
        elif not await self._passes(Stage.RCPT, recipient=path.address):
            transaction.refuse(path.address, self._refusal)
        elif refusal := transaction.refuse_rcpt(path):
            if path.address:
                transaction.refuse(path.address, refusal)
            self.reply(refusal)
        else:
            transaction.recipients.append(path)
            self.reply("250 2.1.5 Ok")

    async def smtp_DATA(self, argument: str) -> None:
        if argument:
            self.reply("501 5.5.4 Syntax: DATA")
        elif self._transaction.sender is None:
            self.reply("503 5.5.1 Send MAIL first")
        elif not self._transaction.recipients:
            self.reply("554 5.5.1 No valid recipients")
        elif await self._passes(Stage.DATA):
            self.expect_data(self.limits.message, drop_after=self._cut)
            self._cut = None
            self.reply("354 End data with <CR><LF>.<CR><LF>")

    async def receive(self, data: DataReader) -> None:
        raw = data.message()
        self.note(f"<{'more than ' * data.too_large}{self.limits.message if data.too_large else len(raw)} octets>", "C")
        self._carried += 1
        if await self._passes(Stage.MESSAGE):
            reply = await self._judged(raw, too_large=data.too_large)
            if self._then_drop:
                self.drop("dropped by script")
                raise Goodbye
            self.reply(reply)
        self._instead = None
        self.record.transcript.end()
        self._forget()

    async def _judged(self, raw: bytes, *, too_large: bool) -> str:
        """Deliver the message, if nothing speaks against it, and the reply."""
        if too_large:
            return self.policy.words("too_large", size=self.limits.message)
        if refusal := self._transaction.refuse_data(raw):
            return refusal
        if not self.service.within_rate(self.policy):
            return self.policy.words("rate_exceeded")
        message = Message(
            raw=raw,
            envelope=self._transaction.envelope(),
            session=self.record.session(self.record.transcript.of_message()),
            mailbox=self.service.mailbox,
            received_at=datetime.now(UTC),
        )
        self._storing = True
        try:
            future = self.service.deliver(message)
            if not future.done():
                await self._until_done(future)
            id = future.result()
        except StoreFull as error:
            log.error("message refused: %s", error)
            return "452 4.3.1 Insufficient system storage"
        except Exception as error:
            log.error("message refused: %s", ascii(error))
            return "451 4.3.0 Message could not be stored"
        finally:
            self._storing = False
            self._stored_at = self.loop.time()
        self.record.messages.append(id)
        return self.policy.words("accepted", id=id)

    async def _until_done(self, future: Future[int]) -> None:
        waiter = self.loop.create_future()

        def wake(_: object) -> None:
            with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                self.loop.call_soon_threadsafe(waiter.set_result, None)

        future.add_done_callback(wake)
        await waiter

    async def smtp_RSET(self, argument: str) -> None:
        self.record.transcript.end()
        self._forget()
        self.reply("250 2.0.0 Ok")

    async def smtp_NOOP(self, argument: str) -> None:
        self.reply("250 2.0.0 Ok")

    async def smtp_VRFY(self, argument: str) -> None:
        if argument:
            self.reply("252 2.5.2 Cannot verify, but will accept the message")
        else:
            self.reply("501 5.5.4 Syntax: VRFY address")

    async def smtp_EXPN(self, argument: str) -> None:
        self.reply("502 5.5.1 EXPN is not implemented")

    async def smtp_HELP(self, argument: str) -> None:
        self.reply(f"214 2.0.0 {' '.join(verb.decode() for verb in _COMMANDS)}")

    async def smtp_QUIT(self, argument: str) -> None:
        self.record.end("quit")
        self.reply(self.policy.words("goodbye"))
        raise Goodbye


def _is_domain(name: str) -> bool:
    """Whether `name` may stand behind EHLO (RFC 5321 4.1.1.1): a domain or an address literal."""
    literal = name.startswith("[") and name.endswith("]")
    return literal or all(part and part.replace("-", "").isalnum() for part in name.split("."))


# The stage a command is gated at; the others gate themselves, once they are in order.
_COMMANDS: dict[bytes, tuple[Stage | None, Any]] = {
    b"EHLO": (Stage.EHLO, SMTPSession.smtp_EHLO),
    b"HELO": (Stage.EHLO, SMTPSession.smtp_HELO),
    b"STARTTLS": (None, SMTPSession.smtp_STARTTLS),
    b"AUTH": (None, SMTPSession.smtp_AUTH),
    b"MAIL": (None, SMTPSession.smtp_MAIL),
    b"RCPT": (None, SMTPSession.smtp_RCPT),
    b"DATA": (None, SMTPSession.smtp_DATA),
    b"RSET": (None, SMTPSession.smtp_RSET),
    b"NOOP": (None, SMTPSession.smtp_NOOP),
    b"VRFY": (None, SMTPSession.smtp_VRFY),
    b"EXPN": (None, SMTPSession.smtp_EXPN),
    b"HELP": (None, SMTPSession.smtp_HELP),
    b"QUIT": (Stage.QUIT, SMTPSession.smtp_QUIT),
}
