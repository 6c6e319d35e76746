"""How settings name the drivers of channels: `aws`, or with weights `aws:80,http:20`."""

import re
from collections.abc import Callable, Collection

DRIVERS = {
    "email": ("outbox", "null", "smtp", "ses"),
    "sms": ("outbox", "null", "aws", "sns", "http"),
    "push": ("outbox", "null", "sns"),
}
"""The drivers that may be chosen for each channel."""
LOCAL = {"outbox", "null"}
"""Drivers without a provider: they send nothing."""
# Which settings a driver cannot do without; the last, in production alone: without them nobody
# would ever hear that a message did not arrive.
NEEDS: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("email", "smtp", ("smtp_url",), ()),
    ("email", "ses", ("aws_region",), ("ses_configuration_set",)),
    ("sms", "aws", ("aws_region", "sms_origination"), ("sms_configuration_set",)),
    ("sms", "sns", ("aws_region",), ()),
    ("sms", "http", ("http_sms_url",), ("http_sms_secret",)),
    ("push", "sns", ("aws_region",), ()),
)
_MOST_WEIGHT = 100
_MOST_PARTS = 1000
_ENTRY = re.compile(r"([a-z]+)(?::(\d{1,4}))?")


def _numbers(text: str, known: Collection[str], *, least: int, most: int) -> dict[str, int]:
    """Return the number behind each name in the order written; a name alone has `most`.

    Raises:
        ValueError: says what is wrong.
    """
    found: dict[str, int] = {}
    for entry in text.split(","):
        match = _ENTRY.fullmatch(entry.strip())
        if match is None or match[1] not in known:
            names = ", ".join(known)
            raise ValueError(f"must be one of {names}, or a list such as name:80,name:20")
        if match[1] in found:
            raise ValueError(f"names {match[1]} twice")
        number = most if match[2] is None else int(match[2])
        if not least <= number <= most:
            raise ValueError(f"the number behind {match[1]} must be {least} to {most}")
        found[match[1]] = number
    return found


def weights(text: str, channel: str) -> dict[str, int]:
    """Return the drivers of `channel` with their weights, 1 to 100, in the order written.

    Raises:
        ValueError: says what is wrong.
    """
    found = _numbers(text, DRIVERS[channel], least=1, most=_MOST_WEIGHT)
    if len(found) > 1 and LOCAL & found.keys():
        raise ValueError("outbox and null stand alone: they send nothing")
    return found


def part_rates(text: str) -> dict[str, int]:
    """Return the message parts a second that each SMS driver may send; 0: no limit.

    Raises:
        ValueError: it is neither a number nor a list of them.
    """
    if text.isascii() and text.isdigit():
        if int(text) > _MOST_PARTS:
            raise ValueError(f"must be 0 to {_MOST_PARTS}")
        return dict.fromkeys(DRIVERS["sms"], int(text))
    if ":" not in text:
        raise ValueError("must be a number, or a list such as aws:20,http:1")
    return _numbers(text, DRIVERS["sms"], least=0, most=_MOST_PARTS)


_APPLICATION = re.compile(
    r"(fcm|apns|apns_sandbox)=(arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:app/([A-Z_]+)/[\w.-]{1,256})"
)
_OF_SNS = {"fcm": "GCM", "apns": "APNS", "apns_sandbox": "APNS_SANDBOX"}


def applications(text: str) -> dict[str, str]:
    """Return the platform application of SNS for each kind of device, as its ARN.

    Raises:
        ValueError: says what is wrong.
    """
    found: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        match = _APPLICATION.fullmatch(entry)
        if match is None or match[3] != _OF_SNS[match[1]] or match[1] in found:
            raise ValueError("must be like fcm=arn:aws:sns:us-east-1:123456789012:app/GCM/name,"
                             "apns=arn:...:app/APNS/name, each once")  # fmt: skip
        found[match[1]] = match[2]
    return found


def platforms(text: str) -> str:
    """Return a text that names platform applications.

    Raises:
        ValueError: it does not.
    """
    applications(text)
    return text


def named(channel: str) -> Callable[[str], str]:
    """Return what gives a text back that names drivers of `channel`, and refuses any other."""

    def check(text: str) -> str:
        weights(text, channel)
        return text

    return check


def rated(text: str) -> str:
    """Return a text that holds message parts a second.

    Raises:
        ValueError: it does not.
    """
    part_rates(text)
    return text
