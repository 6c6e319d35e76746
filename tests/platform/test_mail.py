"""SMTP against a real server on loopback: what each answer means, and what goes over the wire."""

import asyncio
import email
import email.policy
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from chroniccare.platform import mail, probe
from chroniccare.platform.mail import Letter, Mailer, MailError
from chroniccare.platform.probe import ProbeError

AT = datetime(2031, 3, 4, 17, 0, tzinfo=UTC)
SENDER = "Oak Clinic <noreply@oak.example>"


@dataclass(slots=True)
class Relay:
    """A server that keeps letters and answers from its lists; None is the good answer."""

    rcpt: list[str | None] = field(default_factory=list)
    data: list[str | None] = field(default_factory=list)
    letters: list[Envelope] = field(default_factory=list)
    sessions: set[int] = field(default_factory=set)
    url: str = ""

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        answer = self.rcpt.pop(0) if self.rcpt else None
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(  # noqa: N802
        self, _server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.sessions.add(id(session))
        answer = self.data.pop(0) if self.data else None
        if answer is None:
            self.letters.append(envelope)
        return answer or "250 OK"


Serve = Callable[..., Relay]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server with aiosmtpd's options; it stops after the test."""
    with ExitStack() as stack:

        def start(**options: Any) -> Relay:
            relay = Relay()
            controller = Controller(relay, hostname="127.0.0.1", port=_free_port(), **options)
            controller.start()
            stack.callback(controller.stop)
            relay.url = f"smtp://127.0.0.1:{controller.port}"
            return relay

        yield start


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def letter(**fields: Any) -> Letter:
    return Letter(
        **{
            "id": "0198-attempt",
            "to": "maria@example.com",
            "subject": "Su cita del 4 mar 2031",
            "text": "Hola María:\n",
            "html": "<p>Hola María:</p>",
            "at": AT,
            **fields,
        }
    )


async def refused(mailer: Mailer, **fields: Any) -> tuple[str, str]:
    with pytest.raises(MailError) as error:
        await mailer.send(letter(**fields))
    return error.value.kind, error.value.code


async def test_a_letter_arrives_as_text_and_html_with_our_id(serve: Serve) -> None:
    relay = serve()
    mailer = Mailer(relay.url, SENDER)
    assert await mailer.send(letter()) == "<0198-attempt@oak.example>"
    await mailer.close()
    [envelope] = relay.letters
    assert (envelope.mail_from, envelope.rcpt_tos) == ("noreply@oak.example", ["maria@example.com"])
    assert isinstance(envelope.content, bytes)
    assert envelope.content.isascii()
    got = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert isinstance(got, EmailMessage)
    assert got["Subject"] == "Su cita del 4 mar 2031"
    assert got["Message-ID"] == "<0198-attempt@oak.example>"
    assert got["Date"] == "Tue, 04 Mar 2031 17:00:00 +0000"
    assert got["Auto-Submitted"] == "auto-generated"
    assert got["From"] == SENDER
    parts = {part.get_content_type(): part.get_content().strip() for part in got.iter_parts()}
    assert parts == {"text/plain": "Hola María:", "text/html": "<p>Hola María:</p>"}


async def test_a_calendar_is_attached_as_it_is(serve: Serve) -> None:
    relay = serve()
    mailer = Mailer(relay.url, SENDER)
    calendar = "BEGIN:VCALENDAR\r\nSUMMARY:Clínica\r\n.\r\nEND:VCALENDAR\r\n".encode()
    await mailer.send(letter(calendar=calendar, calendar_method="PUBLISH"))
    await mailer.close()
    [envelope] = relay.letters
    assert isinstance(envelope.content, bytes)
    assert envelope.content.isascii()
    got = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert isinstance(got, EmailMessage)
    [part] = got.iter_attachments()
    assert part.get_payload(decode=True) == calendar
    assert part["Content-Type"].params["method"] == "PUBLISH"
    bodies = [got.get_body((kind,)) for kind in ("plain", "html")]
    said = [body.get_content().strip() for body in bodies if isinstance(body, EmailMessage)]
    assert said == ["Hola María:", "<p>Hola María:</p>"]


async def test_one_connection_serves_many_letters(serve: Serve) -> None:
    relay = serve()
    mailer = Mailer(relay.url, SENDER)
    await asyncio.gather(*(mailer.send(letter(id=str(n))) for n in range(10)))
    await mailer.close()
    assert len(relay.letters) == 10
    assert len(relay.sessions) == 1


@pytest.mark.parametrize(
    ("step", "answer", "meaning"),
    [
        ("rcpt", "550 no such user", ("permanent", "smtp_550")),
        ("rcpt", "450 busy", ("temporary", "smtp_450")),
        ("data", "552 too big", ("permanent", "smtp_552")),
        ("data", "451 try later", ("temporary", "smtp_451")),
        ("data", "421 closing", ("temporary", "smtp_421")),
    ],
)
async def test_answers_are_told_apart_and_spoil_no_later_letter(
    serve: Serve, step: str, answer: str, meaning: tuple[str, str]
) -> None:
    relay = serve()
    getattr(relay, step).append(answer)
    mailer = Mailer(relay.url, SENDER)
    assert await refused(mailer) == meaning
    await mailer.send(letter())
    await mailer.close()
    assert len(relay.letters) == 1


async def test_nobody_listening_is_a_passing_failure() -> None:
    assert await refused(Mailer(f"smtp://127.0.0.1:{_free_port()}", SENDER)) == (
        "temporary",
        "unreachable",
    )


async def test_a_connection_closed_while_idle_is_opened_again(serve: Serve) -> None:
    relay = serve(timeout=0.2)  # the server hangs up on idlers
    mailer = Mailer(relay.url, SENDER)
    await mailer.send(letter())
    await asyncio.sleep(0.5)
    await mailer.send(letter())
    await mailer.close()
    assert len(relay.letters) == 2


async def test_hanging_up_after_the_letter_leaves_doubt_and_before_it_none() -> None:
    mailer, steps = Mailer("", SENDER), [b"354 go on", b"250 ok", b"250 ok"]

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = [b"220 hi", b"250 hi", *reversed(steps)]
        for answer in answers:
            writer.write(answer + b"\r\n")
            await writer.drain()
            await reader.readline()
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        mailer.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await refused(mailer) == ("doubt", "disconnected")
        steps.clear()
        assert await refused(mailer) == ("temporary", "disconnected")


async def test_silence_is_given_up_after_the_time_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "CALL_S", 0.1)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await refused(Mailer(url, SENDER)) == ("temporary", "timeout")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"subject": "Hi\r\nBcc: all@example.com"}, "unsafe_header"),
        ({"to": "a@example.com\r\nBcc: all@example.com"}, "unsafe_header"),
        ({"to": "a@example.com>\r\nRCPT TO:<b@example.com"}, "unsafe_header"),
        ({"id": "x\r\n"}, "unsafe_header"),
        ({"to": "nobody"}, "unsafe_header"),
        ({"to": "märia@example.com"}, "address_not_ascii"),
    ],
)
async def test_sec_24_no_value_breaks_out_of_its_header(
    serve: Serve, fields: dict[str, str], code: str
) -> None:
    relay = serve()
    assert await refused(Mailer(relay.url, SENDER), **fields) == ("permanent", code)
    assert relay.letters == []


async def test_a_domain_outside_ascii_is_written_as_idna(serve: Serve) -> None:
    relay = serve()
    mailer = Mailer(relay.url, SENDER)
    await mailer.send(letter(to="maria@münchen.example"))
    await mailer.close()
    assert relay.letters[0].rcpt_tos == ["maria@xn--mnchen-3ya.example"]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that nobody trusts."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=127.0.0.1", "-keyout", path, "-out", f"{path}.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a server of ours count as one on another machine."""
    monkeypatch.setattr(mail, "_is_loopback", lambda _host: False)


def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.usefixtures("elsewhere")
async def test_a_certificate_that_is_not_trusted_gets_no_letter(
    serve: Serve, certificate: Path
) -> None:
    relay = serve(tls_context=_tls(certificate))
    kind, _ = await refused(Mailer(relay.url, SENDER))
    assert kind == "temporary"
    assert relay.letters == []


@pytest.mark.usefixtures("elsewhere")
async def test_doctor_asks_for_what_delivery_demands(serve: Serve, certificate: Path) -> None:
    plain = serve()
    assert (await refused(Mailer(plain.url, SENDER)))[0] == "temporary"
    with pytest.raises(ProbeError, match="CHRONICCARE_SMTP_URL"):
        await probe.smtp(plain.url)
    with pytest.raises(ProbeError):
        await probe.smtp(serve(tls_context=_tls(certificate)).url)
    with pytest.raises(ProbeError):
        await probe.smtp("smtp://relay.example:abc")
    await probe.smtp(f"{plain.url}?tls=none")


@pytest.mark.parametrize("waiver", ["", "?tls=none"])
async def test_a_relay_next_door_may_have_any_certificate(
    serve: Serve, certificate: Path, waiver: str
) -> None:
    relay = serve(tls_context=_tls(certificate))  # as Debian's Postfix has it
    await probe.smtp(relay.url + waiver)
    mailer = Mailer(relay.url + waiver, SENDER)
    await mailer.send(letter())
    await mailer.close()
    assert len(relay.letters) == 1


@dataclass(slots=True)
class Script:
    """A server that answers each command with what a test says, else with what is usual."""

    answers: dict[str, bytes]
    hesitates: float = 0.0
    letters: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self.hesitates)
        writer.write(self.answers.get("banner", b"220 hi") + b"\r\n")
        usual = {"DATA": b"354 go on", "QUIT": b"221 bye"}
        while line := await reader.readline():
            word = line[:4].decode().strip().upper()
            writer.write(self.answers.get(word, usual.get(word, b"250 ok")) + b"\r\n")
            if word == "DATA" and word not in self.answers:
                await reader.readuntil(b"\r\n.\r\n")
                self.letters += 1
                writer.write(self.answers.get("letter", b"250 ok") + b"\r\n")
        writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Mailer]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        async with server:
            mailer = Mailer(f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}", SENDER)
            yield mailer
            await mailer.close()


@pytest.mark.parametrize("answer", [b"OK queued as 123", b"251 forwarded", b"354 more", b""])
async def test_an_odd_answer_to_the_letter_is_a_doubt(answer: bytes) -> None:
    server = Script({"letter": answer})
    async with server.running() as mailer:
        assert await refused(mailer) == ("doubt", "unreadable")
        assert mailer.client is None
    assert server.letters == 1


@pytest.mark.parametrize(
    ("step", "answer", "code"),
    [
        ("banner", b"554 go away", "smtp_554"),
        ("EHLO", b"550 no", "smtp_550"),
        ("MAIL", b"530 5.7.0 Authentication required", "smtp_530"),
        ("MAIL", b"553 sender not allowed", "smtp_553"),
    ],
)
async def test_a_refusal_of_ourselves_is_not_the_recipients_fault(
    step: str, answer: bytes, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    answers = {step: answer} | ({"HELO": answer} if step == "EHLO" else {})
    server = Script(answers)
    async with server.running() as mailer:
        kind, word = await refused(mailer)
        assert kind == "temporary"
        assert word in {code, "unreachable"}
        server.answers.clear()
        await mailer.send(letter())
    assert "example.com" not in caplog.text


async def test_a_banner_may_be_held_back_for_seconds() -> None:
    server = Script({}, hesitates=2.5)
    async with server.running() as mailer:
        await mailer.send(letter())
    assert server.letters == 1


@pytest.mark.parametrize(
    ("url", "sender", "code"),
    [
        ("smtp://127.0.0.1:abc", SENDER, "unusable_settings"),
        ("smtp://127.0.0.1", "Clinic", "sender_unusable"),
        ("smtp://127.0.0.1", "", "sender_unusable"),
    ],
)
async def test_settings_that_cannot_work_do_not_use_up_a_letter(
    url: str, sender: str, code: str
) -> None:
    assert await refused(Mailer(url, sender)) == ("temporary", code)


@pytest.mark.parametrize(
    ("url", "start_tls", "use_tls", "port"),
    [
        ("smtp://u:p%40ss@relay.example", True, False, 587),
        ("smtp://relay.example:2525", True, False, 2525),
        ("smtp://relay.example?tls=none", False, False, 587),
        ("smtp://127.0.0.1", False, False, 587),
        ("smtp://localhost:25", False, False, 25),
        ("smtps://relay.example", False, True, 465),
    ],
)
def test_a_relay_elsewhere_must_speak_tls(
    url: str, start_tls: bool, use_tls: bool, port: int
) -> None:
    client = mail.smtp_client(url)
    assert (client._start_tls_on_connect, client.use_tls, client.port) == (start_tls, use_tls, port)
    if "@" in url:
        assert (client._login_username, client._login_password) == ("u", "p@ss")


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # of the test's server
async def test_wrong_credentials_are_ours_to_mend(serve: Serve) -> None:
    def deny(*_: Any) -> AuthResult:
        return AuthResult(success=False, handled=False)

    relay = serve(authenticator=deny, auth_require_tls=False, auth_required=True)
    url = relay.url.replace("smtp://", "smtp://u:wrong@")
    assert await refused(Mailer(url, SENDER)) == ("temporary", "smtp_auth_535")
