"""How production speaks to its own database, cache and broker: a part of `settings.Settings`."""

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Annotated, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import AfterValidator, BaseModel, Field

NEEDED = ("database_url", "redis_url", "key_pepper", "master_key_file")
_PEERS = {
    "database_url": "sslmode=verify-full",
    "redis_url": "rediss://...",
    "rabbitmq_url": "amqps://...",
}


def listed(text: str) -> list[str]:
    """Return the networks between commas."""
    return [one.strip() for one in text.split(",") if one.strip()]


def _networks(text: str) -> str:
    for one in listed(text):
        ip_network(one)
    return text


class PeerSettings(BaseModel):
    """TLS to PostgreSQL, Redis and RabbitMQ, and who stands in front."""

    trusted_proxies: Annotated[
        str,
        AfterValidator(_networks),
        Field(
            description="Networks of load balancers in front, such as `10.20.0.0/16`, between "
            "commas. From them alone the client's address is taken out of `X-Forwarded-For`. "
            "Empty: nobody's word is taken for it."
        ),
    ] = ""

    peer_tls: Annotated[
        Literal["verified", "as_told"],
        Field(
            description="`verified`: production starts only if the URLs of PostgreSQL, Redis and "
            "RabbitMQ ask for TLS with certificates that are verified, or stay on this machine. "
            "`as_told`: it does what they say, for a closed network."
        ),
    ] = "verified"


def unfit(value: Callable[[str], str]) -> tuple[list[str], str] | None:
    """Return which settings production does not start with, and why; `value` reads one by name."""
    if value("webhook_targets") != "public":
        return ["webhook_targets"], "must be public in production"
    if missing := [name for name in NEEDED if not value(name)]:
        return missing, "must be set when the environment is production"
    if value("peer_tls") == "verified":
        for name, wanted in _PEERS.items():
            if not is_private(value(name)):
                return [name], (
                    f"must ask for verified TLS in production ({wanted}), or set"
                    " CHRONICCARE_PEER_TLS=as_told"
                )
    return None


def is_private(url: str) -> bool:
    """Return whether what is said to `url` is told to nobody else: TLS, verified, or no network.

    An empty one is: nothing is said to it.
    """
    try:
        parts = urlsplit(url)
        given = parse_qs(parts.query)
    except ValueError:
        return False
    if not url or parts.scheme in {"rediss", "unix"}:
        return True
    if parts.scheme == "amqps":
        return not given.keys() & {"no_verify_ssl", "verify"}
    if parts.scheme in {"postgres", "postgresql"}:
        if given.get("sslmode") == ["verify-full"]:
            return True
        # Drivers differ in which of the two they speak to: asyncpg to the first.
        listed = [parts.netloc.rpartition("@")[2], *given.get("host", ())]
        hosts = ",".join(filter(None, listed)).split(",")
    else:
        hosts = [parts.netloc.rpartition("@")[2]]
    return all(map(_is_here, hosts))


def _is_here(place: str) -> bool:
    host = unquote(place)
    if host.startswith("/"):  # a socket of PostgreSQL
        return True
    host = host[1:].partition("]")[0] if host.startswith("[") else host.rpartition(":")[0] or host
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
