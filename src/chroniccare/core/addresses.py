"""Addresses that an operator writes into settings: of servers, and of who sends email."""

from email.errors import MessageError
from email.headerregistry import Address
from email.utils import getaddresses
from urllib.parse import urlsplit


def is_http(url: str) -> bool:
    """Say whether `url` is http or https to a host, without a user, a query or a fragment."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or a bracket left open
        return False
    return good and not (parts.username or parts.password or parts.query or parts.fragment)


def is_smtp(url: str) -> bool:
    """Say whether `url` is smtp or smtps to a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"smtp", "smtps"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # as above
        return False


def sender_domain(sender: str) -> str | None:
    """Return the domain of `Name <address>`; None unless it is exactly one address."""
    try:
        [(_, address)] = getaddresses([sender])
        domain = Address(addr_spec=address).domain
    except (ValueError, IndexError, MessageError):
        return None
    return domain.lower() or None
