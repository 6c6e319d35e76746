"""SEC-37: a peer whose certificate nobody vouches for, or that speaks no TLS, is told nothing."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from chroniccare.platform import broker, mail, probe, redis_connection
from chroniccare.platform.aws import Client
from chroniccare.platform.aws_error import AwsError
from chroniccare.platform.broker import BrokerAway
from chroniccare.platform.egress import Egress
from chroniccare.platform.fetch import FetchError, fetch
from chroniccare.platform.http import HttpError, Poster
from chroniccare.platform.mail import Letter, Mailer, MailError
from chroniccare.platform.probe import ProbeError
from chroniccare.platform.public_hosts import EgressError

Greeting = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def signed_by_itself(path: Path, *, days: int) -> Path:
    """Write a key and its certificate for loopback, which ends after `days`."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, SHA256())
    )
    path.write_bytes(
        made.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path


@pytest.fixture(scope="module", params=["self-signed", "expired"])
def certificate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    days = 1 if request.param == "self-signed" else -1
    return signed_by_itself(tmp_path_factory.mktemp("tls") / "peer.pem", days=days)


@dataclass(slots=True)
class Peer:
    """Somebody who listens; `heard` is what was said to them, within TLS or without."""

    port: int = 0
    heard: list[bytes] = field(default_factory=list)
    came: int = 0


async def _smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be a mail server up to STARTTLS."""
    writer.write(b"220 peer\r\n")
    await reader.readline()
    writer.write(b"250-peer\r\n250 STARTTLS\r\n")
    await reader.readline()
    writer.write(b"220 go ahead\r\n")


async def _postgres(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be PostgreSQL up to its answer to SSLRequest."""
    await reader.readexactly(8)
    writer.write(b"S")


@asynccontextmanager
async def peer(certificate: Path, greeting: Greeting | None = None) -> AsyncIterator[Peer]:
    """Listen with TLS, from the start or after `greeting`."""
    found = Peer()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.came += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if greeting is not None:
                await greeting(reader, writer)
            await writer.start_tls(context)
            if heard := await reader.read(1000):
                found.heard.append(heard)
        with contextlib.suppress(OSError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()


async def _webhook(port: int) -> None:
    sender = Egress(anywhere=True)
    try:
        await sender.post(f"https://127.0.0.1:{port}/", body=b"secret", headers={})
    finally:
        await sender.close()


async def _keys_of_a_client(port: int) -> None:
    sender = Egress(anywhere=True)
    try:
        await sender.get(f"https://127.0.0.1:{port}/jwks.json")
    finally:
        await sender.close()


async def _keys_of_an_issuer(port: int) -> None:
    await fetch(f"https://127.0.0.1:{port}/jwks.json")


async def _gateway(port: int) -> None:
    poster = Poster(f"https://127.0.0.1:{port}/send", "secret")
    try:
        await poster.post({"secret": "x"})
    finally:
        await poster.close()


async def _aws(port: int) -> None:
    client = Client("sns", "us-east-1", f"https://127.0.0.1:{port}")
    try:
        await client.call("publish", PhoneNumber="+14155550100", Message="secret")
    finally:
        await client.close()


async def _mail(port: int, scheme: str = "smtps") -> None:
    mailer = Mailer(f"{scheme}://user:secret@127.0.0.1:{port}", "Oak <a@oak.example>")
    try:
        await mailer.send(Letter("1", "b@oak.example", "secret", "x", "", datetime.now(UTC)))
    finally:
        await mailer.close()


async def _mail_by_starttls(port: int) -> None:
    await _mail(port, "smtp")


async def _cache(port: int) -> None:
    await redis_connection.connect(f"rediss://:secret@127.0.0.1:{port}")


async def _broker(port: int) -> None:
    async with broker.connected(f"amqps://user:secret@127.0.0.1:{port}/"):
        pass


async def _database(port: int) -> None:
    await probe.postgres(f"postgresql://u:secret@127.0.0.1:{port}/d?sslmode=verify-full")


Refusal = type[Exception] | tuple[type[Exception], ...]
CALLS: dict[str, tuple[Callable[[int], Awaitable[None]], Refusal, Greeting | None]] = {
    "webhook": (_webhook, EgressError, None),
    "keys of a client": (_keys_of_a_client, EgressError, None),
    "keys of an issuer": (_keys_of_an_issuer, FetchError, None),
    "SMS gateway": (_gateway, HttpError, None),
    "AWS": (_aws, AwsError, None),
    "SMTP": (_mail, MailError, None),
    "SMTP by STARTTLS": (_mail_by_starttls, MailError, _smtp),
    "cache": (_cache, ssl.SSLError, None),
    "broker": (_broker, BrokerAway, None),
    "database": (_database, ProbeError, _postgres),
}


@pytest.fixture
def _far(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials for AWS, a loopback that is far away for the mailer, and one who is trusted."""
    root = signed_by_itself(tmp_path / "root.pem", days=1)
    monkeypatch.setenv("PGSSLROOTCERT", str(root))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setattr(mail, "_is_loopback", lambda _host: False)


@pytest.mark.usefixtures("_far")
@pytest.mark.parametrize("kind", CALLS)
async def test_sec_37_a_peer_that_nobody_vouches_for_is_told_nothing(
    certificate: Path, kind: str
) -> None:
    call, refusal, greeting = CALLS[kind]
    async with peer(certificate, greeting) as found:
        with pytest.raises(refusal):
            await call(found.port)
        await asyncio.sleep(0)
    assert found.came >= 1
    assert found.heard == []


@pytest.mark.usefixtures("_far")
@pytest.mark.parametrize("kind", [kind for kind, (_, _, greeting) in CALLS.items() if not greeting])
async def test_sec_37_a_peer_that_speaks_no_tls_is_told_nothing(kind: str) -> None:
    call, refusal, _ = CALLS[kind]
    heard = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read(1000)
        if not heard.done():
            heard.set_result(data)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        with pytest.raises(refusal):
            await call(server.sockets[0].getsockname()[1])
    finally:
        server.close()
    assert b"secret" not in await heard
    assert (await heard)[:1] == b"\x16"  # the beginning of a TLS handshake


@pytest.mark.usefixtures("_far")
async def test_whoever_trusts_such_a_peer_is_heard(certificate: Path) -> None:
    """The peer works: what the others meet is their own refusal."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with peer(certificate) as found:
        sender = Egress(anywhere=True, context=context)
        with pytest.raises(EgressError):  # it says nothing back
            await sender.post(f"https://127.0.0.1:{found.port}/", body=b"secret", headers={})
        await sender.close()
    assert any(b"secret" in one for one in found.heard)
