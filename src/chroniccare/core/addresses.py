"""Addresses that an operator writes into settings: of servers, and of who sends email."""

import re
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


def sender_fault(sender: str, *, live: bool) -> str | None:
    """Return why no letter could come from `sender`; None: one could. `live`: in production."""
    domain = sender_domain(sender)
    if domain is None:
        return "must be one `Name <address>`"
    return "example.com is nobody's: set your sender" if live and domain == "example.com" else None


def is_loopback(url: str) -> bool:
    """Return whether `url` is a port of this machine, in clear text."""
    return re.fullmatch(r"http://(127\.0\.0\.1|\[::1\]):\d{1,5}", url) is not None


def is_sns_sender(text: str) -> bool:
    """Return whether SNS takes `text` as the sender of an SMS; empty: AWS chooses one."""
    return re.fullmatch(r"(\+\d{3,20}|[A-Za-z0-9-]{1,11})?", text) is not None


def is_topic(text: str) -> bool:
    """Return whether `text` is the ARN of a topic of SNS."""
    topic = r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?"
    return re.fullmatch(topic, text) is not None


def topic_list(text: str) -> str:
    """Return a text that lists topics of SNS.

    Raises:
        ValueError: it does not.
    """
    if not all(map(is_topic, topics(text))):
        raise ValueError("must be ARNs such as arn:aws:sns:us-east-1:123456789012:name")
    return text


def topics(listed: str) -> frozenset[str]:
    """Return the topics of SNS in a text that lists them, with commas between them."""
    return frozenset(topic.strip() for topic in listed.split(",")) - {""}
