"""Which URLs may be asked: those of public hosts alone, by themselves and by every address.

An address is checked when a URL is stored, and again by `egress` for each request.
"""

import asyncio
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import SplitResult, urlsplit

TIMEOUT_S = 5.0
"""For name, connection, TLS, request and answer together."""
_MOST_URL = 2048
_HTTPS = 443
_RESOLVERS = 64  # threads: a name server that does not answer holds one for half a minute

# What the IANA registries of special addresses list, and what clouds answer at.
_REFUSED_4 = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
            "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24",
            "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
            "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            "168.63.129.16/32",  # Azure's host, metadata among it
        ),
    )
)  # fmt: skip
# Of IPv6 only 2000::/3 is given out. Everything else is refused by that: loopback, v4-mapped
# (::ffff:0:0/96), NAT64 (64:ff9b::/96, 64:ff9b:1::/48), SRv6 (5f00::/16), ULA, link-local,
# site-local, multicast. Inside it these are special:
_GIVEN_OUT = ip_network("2000::/3")
_REFUSED_6 = tuple(
    map(
        ip_network,
        (
            "2001::/23",  # Teredo, benchmarks, ORCHID, and what else IETF keeps for protocols
            "2001:db8::/32", "3fff::/20",  # documentation
            "2002::/16",  # 6to4 holds an IPv4 address
            "2620:4f:8000::/48",  # AS112
        ),
    )
)  # fmt: skip
_PLAIN = re.compile(r"[!#$%&'()*+,./0-9:;=?@A-Z_a-z~\[\]-]+")  # of RFC 3986; no fragment below
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_INSIDE = frozenset({"localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa"})
# The codec knows IDNA of 2003, in which these became something else than they are today.
_AMBIGUOUS = frozenset("\u00df\u03c2\u200c\u200d")


class EgressError(Exception):
    """Nothing was answered, or nothing may be asked; never with what a server said.

    Attributes:
        code: `url`, `unresolvable`, `address`, `unreachable`, `tls`, `timeout`, `disconnected`.
        reason: what is wrong with the URL, for people.
    """

    def __init__(self, code: str, reason: str = "") -> None:
        self.code, self.reason = code, reason
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be asked: in ASCII, its host in lower case."""

    url: str
    host: str
    port: int


def is_public(address: str) -> bool:
    """Say whether `address` belongs to a host of the public Internet."""
    try:
        found: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _REFUSED_4)
    if found.scope_id is not None or found not in _GIVEN_OUT:
        return False
    return not any(found in network for network in _REFUSED_6)


def target(url: str, *, anywhere: bool = False) -> Target:
    """Return what `url` names; `anywhere` lets http, other ports and private hosts pass.

    Raises:
        EgressError: `url`, with the reason.
    """
    parts = _parts(url)
    if parts.scheme != "https" and not (anywhere and parts.scheme == "http"):
        raise EgressError("url", "must begin with https://")
    if "@" in parts.netloc:
        raise EgressError("url", "must not hold a user name or password")
    try:
        port = parts.port
    except ValueError:
        raise EgressError("url", "has no valid port") from None
    if port == 0 or (port not in {None, _HTTPS} and not anywhere):
        raise EgressError("url", "must use port 443")
    host = _host(parts, anywhere=anywhere)
    place = f"[{host}]" if ":" in host else host
    rest = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _PLAIN.fullmatch(rest):
        raise EgressError("url", "must be percent-encoded after the host")
    shown = f"{parts.scheme}://{place}{f':{port}' if port else ''}{rest}"
    return Target(shown, host, port or (_HTTPS if parts.scheme == "https" else 80))


def _parts(url: str) -> SplitResult:
    # urlsplit drops tabs and line ends silently, so they are looked for before.
    if len(url) > _MOST_URL or any(c <= " " or c in "\\\x7f#" for c in url):
        raise EgressError("url", "must be a URL of at most 2048 characters, without a fragment")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise EgressError("url", "is not a URL") from None
    if not parts.hostname:
        raise EgressError("url", "names no host")
    return parts


def _host(parts: SplitResult, *, anywhere: bool) -> str:
    host = parts.hostname or ""
    if parts.netloc.startswith("[") or ":" in host:
        return _literal(host, anywhere=anywhere)
    if _AMBIGUOUS & set(host):
        raise EgressError("url", "write this host in its xn-- form")
    try:
        plain = host.encode("idna").decode().lower()
    except UnicodeError:
        raise EgressError("url", "has no valid host") from None
    labels = plain.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise EgressError("url", "has no valid host")
    if _NUMBER.fullmatch(labels[-1]):  # 127.1, 0x7f000001, 2130706433: what C reads as an address
        return _literal(plain, anywhere=anywhere)
    if not anywhere and (len(labels) < 2 or labels[-1] in _INSIDE):  # noqa: PLR2004  host and domain
        raise EgressError("url", "must name a host of the public Internet")
    return plain


def _literal(host: str, *, anywhere: bool) -> str:
    try:
        plain = str(ip_address(host))
    except ValueError:
        raise EgressError("url", "has no valid host") from None
    if not (anywhere or is_public(plain)):
        raise EgressError("url", "must name a host of the public Internet")
    return plain


async def addresses(host: str, port: int, *, anywhere: bool = False) -> list[tuple[int, str]]:
    """Return family and address of each of the addresses of `host`, all of them checked.

    Raises:
        EgressError: `unresolvable`, or `address`: one of them is not public.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.run_in_executor(_threads(), _look_up, host, port)
    except (OSError, UnicodeError):
        raise EgressError("unresolvable", "cannot be resolved") from None
    rows = list(dict.fromkeys((family, str(place[0])) for family, place in found))
    if not rows:
        raise EgressError("unresolvable", "cannot be resolved")
    if not anywhere and not all(is_public(address) for _, address in rows):
        raise EgressError("address", "must name a host of the public Internet")
    return rows


def _look_up(host: str, port: int) -> list[tuple[int, Any]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(int(family), place) for family, _, _, _, place in found]


_pool: list[ThreadPoolExecutor] = []


def _threads() -> ThreadPoolExecutor:
    if not _pool:
        _pool.append(ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolve"))
    return _pool[0]


async def check(url: str, *, anywhere: bool) -> Target:
    """Return what `url` names, once it and every address of its host may be asked.

    Raises:
        EgressError: it may not, or its host cannot be resolved within five seconds.
    """
    found = target(url, anywhere=anywhere)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await addresses(found.host, found.port, anywhere=anywhere)
    except TimeoutError:
        raise EgressError("unresolvable", "cannot be resolved") from None
    return found
