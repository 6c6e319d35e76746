"""SEC-29: nothing but a public host is asked, when an endpoint is made and at each request."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from chroniccare.platform import egress, public_hosts
from chroniccare.platform.egress import Egress
from chroniccare.platform.public_hosts import EgressError

REFUSED_URLS = [
    # schemes, ports, users, fragments, what is no URL
    "http://example.org/", "ftp://example.org/", "file:///etc/passwd", "gopher://example.org/",
    "https://example.org:80/", "https://example.org:8443/", "https://example.org:0/",
    "https://example.org:99999/", "https://example.org:port/", "//example.org/", "example.org",
    "https://", "https:///path", "https://user@example.org/", "https://user:pw@example.org/",
    "https://example.org@127.0.0.1/", "https://127.0.0.1\\@example.org/", "https://example.org/#f",
    "https://[::1/", "https://exam ple.org/", "https://example.org/\r\nX-Evil: 1",
    "https://example.org/\tx", "https://example.org\n/", "https://example.org/\x00",
    "https://example.org/<x>", "https://example.org/\u00e9", "https://example.org/" + "a" * 2050,
    # names of the inside
    "https://localhost/", "https://LOCALHOST/", "https://app.localhost/", "https://metadata/",
    "https://metadata.google.internal/", "https://printer.local/", "https://db.corp/",
    "https://example.org./", "https://exa_mple.org/", "https://-a.example.org/",
    "https://127%2e0%2e0%2e1/", "https://1.0.0.127.in-addr.arpa/",
    # addresses, as a C library reads them and as they are
    "https://127.0.0.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/",
    "https://0177.0.0.1/", "https://017700000001/", "https://127.1/", "https://127.0.1/", "https://0/",
    "https://0.0.0.0/", "https://169.254.169.254/latest/meta-data/", "https://169.254.170.2/",
    "https://100.100.100.200/", "https://168.63.129.16/", "https://10.0.0.1/", "https://172.16.0.1/",
    "https://172.31.255.255/", "https://192.168.1.1/", "https://100.64.0.1/", "https://198.18.0.1/",
    "https://192.0.2.1/", "https://198.51.100.1/", "https://203.0.113.1/", "https://192.0.0.192/",
    "https://224.0.0.1/", "https://240.0.0.1/", "https://255.255.255.255/", "https://192.88.99.1/",
    "https://1.2.3.4.5/", "https://256.256.256.256/", "https://08.8.8.8/",
    # the same in digits of other scripts, full-width dots among them
    "https://\uff11\uff12\uff17.0.0.1/", "https://\u2460\u2461\u2466.0.0.1/",
    "https://127\u30020\u30020\u30021/", "https://\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54/",
    "https://fa\u00df.example/", "https://a\u200db.example/",
    # IPv6
    "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/", "https://[fe80::1]/", "https://[fe80::1%25eth0]/", "https://[fc00::1]/",
    "https://[fd00:ec2::254]/", "https://[ff02::1]/", "https://[2002:7f00:1::]/",
    "https://[64:ff9b::7f00:1]/", "https://[64:ff9b:1::1]/", "https://[2001::1]/",
    "https://[2001:db8::1]/", "https://[3fff::1]/", "https://[5f00::1]/", "https://[100::1]/",
    "https://[fec0::1]/", "https://[2001:2::1]/", "https://[2001:10::1]/", "https://[v1.x]/",
]  # fmt: skip
PRIVATE = [
    "0.1.2.3", "10.255.255.255", "100.127.255.255", "127.9.9.9", "169.254.0.1", "172.20.0.1",
    "192.0.0.8", "192.31.196.1", "192.52.193.1", "192.175.48.1", "192.168.0.1", "198.19.255.255",
    "239.255.255.255", "255.255.255.254", "::ffff:8.8.8.8", "fe80::1%lo", "2620:4f:8000::1",
    "4000::1", "8000::1", "fdff::1", "not an address",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.32.0.1", "2606:4700::1111",
          "2a00:1450:4001::1", "2001:4860:4860::8888"]  # fmt: skip


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_sec_29_a_url_is_refused(url: str) -> None:
    with pytest.raises(EgressError) as refused:
        public_hosts.target(url)
    assert refused.value.code == "url"
    assert refused.value.reason


def test_sec_29_there_are_enough_vectors() -> None:
    assert len(set(REFUSED_URLS)) + len(PRIVATE) > 100


@pytest.mark.parametrize("address", PRIVATE)
def test_sec_29_an_address_is_not_public(address: str) -> None:
    assert not public_hosts.is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address: str) -> None:
    assert public_hosts.is_public(address)


@pytest.mark.parametrize(
    ("url", "host", "shown"),
    [
        ("https://hooks.example.org", "hooks.example.org", "https://hooks.example.org/"),
        ("https://Hooks.Example.org:443/a?b=c%20d", "hooks.example.org",
         "https://hooks.example.org:443/a?b=c%20d"),
        ("https://m\u00fcnchen.example/x", "xn--mnchen-3ya.example",
         "https://xn--mnchen-3ya.example/x"),
        ("https://8.8.8.8/", "8.8.8.8", "https://8.8.8.8/"),
        ("https://[2606:4700::1111]/", "2606:4700::1111", "https://[2606:4700::1111]/"),
    ],
)  # fmt: skip
def test_a_url_that_may_be_asked(url: str, host: str, shown: str) -> None:
    found = public_hosts.target(url)
    assert (found.host, found.url, found.port) == (host, shown, 443)


def test_in_development_any_port_and_host_may_be_asked() -> None:
    found = public_hosts.target("http://127.0.0.1:8080/in", anywhere=True)
    assert (found.url, found.port) == ("http://127.0.0.1:8080/in", 8080)
    with pytest.raises(EgressError):
        public_hosts.target("http://u:p@127.0.0.1/", anywhere=True)


def _names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Have names resolve to each of `answers` in turn, the last one for ever."""
    asked: list[str] = []

    def look_up(host: str, port: int) -> list[tuple[int, Any]]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET6 if ":" in one else socket.AF_INET, (one, port)) for one in found]

    monkeypatch.setattr(public_hosts, "_look_up", look_up)
    return asked


@pytest.mark.parametrize("address", [*PRIVATE[:14], "::1", "::ffff:127.0.0.1", "fd00::1"])
async def test_sec_29_one_private_address_among_public_ones_is_enough(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    _names(monkeypatch, ["8.8.8.8", address])
    with pytest.raises(EgressError) as refused:
        await public_hosts.check("https://hooks.example.org/", anywhere=False)
    assert refused.value.code == "address"


async def test_sec_29_a_name_that_turns_private_is_refused_at_the_next_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = _names(monkeypatch, ["8.8.8.8"], ["127.0.0.1"])
    await public_hosts.check("https://hooks.example.org/", anywhere=False)
    sender = Egress()
    with pytest.raises(EgressError) as refused:
        await sender.post("https://hooks.example.org/", body=b"{}", headers={})
    await sender.close()
    assert refused.value.code == "address"
    assert asked == ["hooks.example.org"] * 2


async def test_sec_29_the_socket_itself_refuses_what_was_not_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever is wrong above: the last look is at the address that is connected to."""
    target = public_hosts.Target("https://127.0.0.1/", "127.0.0.1", 443)
    monkeypatch.setattr(egress, "target", lambda _url, **_: target)
    sender = Egress()
    with pytest.raises(EgressError) as refused:
        await sender.post("https://anything.example/", body=b"", headers={})
    await sender.close()
    assert refused.value.code == "address"


async def test_a_name_that_is_not_known_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_host: str, _port: int) -> None:
        raise socket.gaierror

    monkeypatch.setattr(public_hosts, "_look_up", fails)
    with pytest.raises(EgressError) as refused:
        await public_hosts.check("https://nowhere.example.org/", anywhere=False)
    assert refused.value.code == "unresolvable"


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _server(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await handler(reader, writer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(handled, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def _says(text: bytes) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text)

    return handler


async def _ask(port: int) -> egress.Answer:
    sender = Egress(anywhere=True)
    try:
        return await sender.post(f"http://127.0.0.1:{port}/", body=b"{}", headers={"x-a": "b"})
    finally:
        await sender.close()


async def test_sec_29_a_redirect_is_an_answer_and_is_not_followed() -> None:
    asked: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 302 x\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")

    async with _server(handler) as port:
        assert (await _ask(port)).status == 302
    assert len(asked) == 1


async def test_sec_29_a_proxy_of_the_environment_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with _server(_says(b"HTTP/1.1 204 x\r\n\r\n")) as port:
        assert (await _ask(port)).status == 204


async def test_sec_29_a_long_answer_is_cut() -> None:
    whole = b"HTTP/1.1 200 x\r\nContent-Length: 900000\r\n\r\n" + b"a" * 900_000
    async with _server(_says(whole)) as port:
        assert len((await _ask(port)).body) == egress.MOST_ANSWER


async def test_sec_29_a_compressed_answer_is_not_unpacked() -> None:
    head = b"HTTP/1.1 200 x\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n"
    async with _server(_says(head + b"bomb!")) as port:
        assert (await _ask(port)).body == b"bomb!"


@pytest.mark.parametrize("slow", ["head", "body", "mute"])
async def test_sec_29_whoever_answers_too_slowly_is_left(
    monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    monkeypatch.setattr(egress, "TIMEOUT_S", 0.4)

    async def handler(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if slow == "body":
            writer.write(b"HTTP/1.1 200 x\r\nContent-Length: 100\r\n\r\n")
        if slow == "head":
            writer.write(b"HTTP/1.1 200 x\r\nX-Slow: ")
        for _ in range(40):
            if slow != "mute":
                writer.write(b"a")
                await writer.drain()
            await asyncio.sleep(0.05)

    async with _server(handler) as port:
        begun = time.monotonic()
        with pytest.raises(EgressError) as refused:
            await _ask(port)
    assert refused.value.code == "timeout"
    assert time.monotonic() - begun < 1.5


async def test_what_is_no_answer_is_told_apart() -> None:
    async with _server(_says(b"no HTTP at all\r\n\r\n")) as port:
        with pytest.raises(EgressError) as refused:
            await _ask(port)
    assert refused.value.code == "disconnected"
    with pytest.raises(EgressError) as refused:
        await _ask(port)
    assert refused.value.code == "unreachable"


def _certificate(folder: Path, name: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        made.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path


@pytest.mark.parametrize(
    ("certified", "works"), [("hooks.example.org", True), ("other.org", False)]
)
async def test_sec_29_the_checked_address_is_asked_by_the_name_of_the_host(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certified: str, works: bool
) -> None:
    """SNI, certificate and Host header are the name's; the connection is the address's."""
    pem = _certificate(tmp_path, certified)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pem)
    named: list[str | None] = []
    serving.sni_callback = lambda _socket, name, _context: named.append(name)
    heads: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 x\r\n\r\n")

    _names(monkeypatch, ["127.0.0.1"])
    sender = Egress(anywhere=True, context=ssl.create_default_context(cafile=str(pem)))
    async with _server(handler, serving) as port:
        url = f"https://hooks.example.org:{port}/in"
        if works:
            assert (await sender.post(url, body=b"{}", headers={})).status == 204
            assert f"Host: hooks.example.org:{port}\r\n".encode() in heads[0]
        else:
            with pytest.raises(EgressError) as refused:
                await sender.post(url, body=b"{}", headers={})
            assert refused.value.code == "tls"
            assert heads == []
    await sender.close()
    assert named == ["hooks.example.org"]
