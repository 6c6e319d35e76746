"""Subscriptions on paper: topics, what of a resource is taken, and what is sent. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from chroniccare.core.errors import FieldError, Invalid, Unprocessable

Resource = dict[str, Any]

JSON = "application/fhir+json"
HIDDEN = "********"
"""Stands for the value of a header; written back, it keeps the value."""
_IG = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
PROFILE = f"{_IG}/backport-subscription-notification-r4"
_STATUS_PROFILE = f"{_IG}/backport-subscription-status-r4"
CONTENT = f"{_IG}/backport-payload-content"
TOPICS_OF_SERVER = f"{_IG}/capabilitystatement-subscriptiontopic-canonical"
TOLD_ONCE = "urn:chroniccare:webhook-secret"
_CONTENTS = frozenset({"empty", "id-only"})
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}): ?([\x20-\x7e]{1,1000})")
_OURS = re.compile(
    r"host|te|upgrade|expect|trailer|cookie|user-agent|date|via|content-.*|transfer-.*|connection"
    r"|proxy-.*|accept-.*|webhook-.*|x-chronic-care-.*",
    re.IGNORECASE,
)
_MOST_HEADERS = 10
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic is about: which events may be of it, and of which type the records are."""

    code: str
    events: tuple[str, ...]
    type: str
    text: str


TOPICS: Mapping[str, Topic] = {
    one.code: one
    for one in (
        Topic("appointment-booked", ("appointment.created", "appointment.updated"),
              "Appointment", "a visit is booked, or a held one is taken up"),
        Topic("appointment-cancelled", ("appointment.cancelled",),
              "Appointment", "a visit is cancelled"),
        Topic("appointment-rescheduled", ("appointment.updated",),
              "Appointment", "time, provider or place of a visit change"),
        Topic("medication-adherence-low", ("medication.adherence.low",),
              "MedicationRequest", "adherence to a prescription is low, once an episode"),
    )
}  # fmt: skip
EVENTS: Mapping[str, tuple[str, ...]] = {
    "Patient": ("patient.*",),
    "Appointment": ("appointment.*",),
    "MedicationRequest": (
        "medication.created", "medication.updated", "medication.stopped", "medication.completed",
    ),
}  # fmt: skip
"""Types that a search can be subscribed to, and the events after which it is asked again."""
TYPES = {"appointment": "Appointment", "medication": "MedicationRequest", "patient": "Patient"}
"""Type of the resource by the entity of an event."""
_BOOKED = frozenset({"scheduled", "confirmed"})


def is_of(topic: str, event_type: str, payload: Mapping[str, Any]) -> bool:
    """Say whether an event is of a topic."""
    if event_type not in TOPICS[topic].events:
        return False
    if topic == "appointment-booked":
        if event_type == "appointment.created":
            return payload.get("status") in _BOOKED
        return payload.get("booked") is True
    return topic != "appointment-rescheduled" or payload.get("moved") is True


def address(base: str, topic: str) -> str:
    """Return the canonical address of a topic."""
    return f"{base}/SubscriptionTopic/{topic}"


def topic_of(base: str, criteria: str) -> str | None:
    """Return the topic that criteria name; None if they are a search.

    Raises:
        Invalid: it is a topic that is not there.
    """
    start = address(base, "")
    if "?" in criteria or not (criteria.startswith(start) or "SubscriptionTopic" in criteria):
        return None
    code = criteria.removeprefix(start)
    if code not in TOPICS:
        listed = ", ".join(address(base, one) for one in TOPICS)
        raise Invalid.field("Subscription.criteria", f"must be a search, or among {listed}",
                            "not-supported")  # fmt: skip
    return code


def faults(said: Resource) -> list[FieldError]:
    """Return what of a valid Subscription is not done here."""
    channel = said["channel"]
    known = channel.get("payload", JSON) == JSON
    is_small = content(channel) in _CONTENTS
    found = [
        (channel["type"] == "rest-hook", "channel.type", "must be rest-hook"),
        ("endpoint" in channel, "channel.endpoint", "is needed"),
        (known, "channel.payload", f"must be {JSON}, or left out for an empty body"),
        (is_small, "channel.payload.extension", "must be empty or id-only: ids alone are sent"),
        ("end" not in said, "end", "is not kept: delete the subscription, or write off as status"),
    ]
    return [
        FieldError(f"Subscription.{place}", reason, "not-supported")
        for is_so, place, reason in found
        if not is_so
    ] + _header_faults(headers(channel))


def _header_faults(listed: Sequence[str]) -> list[FieldError]:
    """Return what is wrong with the headers that are to be sent."""
    place = "Subscription.channel.header"
    found = []
    for number, one in enumerate(listed):
        match = _HEADER.fullmatch(one)
        if match is None:
            reason = "must be like Authorization: Bearer x"
        elif _OURS.fullmatch(match[1]):
            reason = "is a header that the server writes"
        else:
            continue
        found.append(FieldError(f"{place}[{number}]", reason, "value"))
    names = [parted(one)[0].lower() for one in listed]
    if len(names) > _MOST_HEADERS or len(set(names)) < len(names):
        reason = f"has over {_MOST_HEADERS} values, or names a header twice"
        found.append(FieldError(place, reason, "value"))
    return found


def content(channel: Mapping[str, Any]) -> str:
    """Return what notifications hold: `empty` or `id-only`, or what else was asked for."""
    for one in channel.get("_payload", {}).get("extension", []):
        if one.get("url") == CONTENT:
            return str(one.get("valueCode", ""))
    return "id-only"


def headers(channel: Mapping[str, Any]) -> list[str]:
    """Return the headers that a client wants sent."""
    return [str(one) for one in channel.get("header", [])]


def parted(header: str) -> tuple[str, str]:
    """Return name and value."""
    name, _, value = header.partition(":")
    return name, value.strip()


def hidden(document: Resource) -> Resource:
    """Return what a client wrote without what nobody is told again."""
    channel = dict(document["channel"])
    if "header" in channel:
        channel["header"] = [f"{parted(one)[0]}: {HIDDEN}" for one in channel["header"]]
    return {**document, "channel": channel}


def _server(document: Resource) -> tuple[str, str | None, int | None]:
    """Return whom notifications go to: scheme, host and port."""
    url = urlsplit(document["channel"]["endpoint"])
    return url.scheme, url.hostname, url.port or _PORTS.get(url.scheme)


def kept(document: Resource, before: Resource | None) -> Resource:
    """Return the document with headers whose value was hidden from its author put back.

    Raises:
        Invalid: there was no such header.
        Unprocessable: it was for another server, which alone may learn the value.
    """
    known = {} if before is None else {
        parted(one)[0].lower(): parted(one)[1] for one in headers(before["channel"])
    }  # fmt: skip
    channel = dict(document["channel"])
    found = []
    for number, one in enumerate(headers(channel)):
        name, value = parted(one)
        if value == HIDDEN:
            place = f"Subscription.channel.header[{number}]"
            if name.lower() not in known:
                raise Invalid.field(place, "hides a value that was never written", "value")
            if before is not None and _server(document) != _server(before):
                reason = "hides a value that was written for another server: write it again"
                raise Unprocessable.field(place, reason, "value")
            value = known[name.lower()]
        found.append(f"{name}: {value}")
    if found:
        channel["header"] = found
    return {**document, "channel": channel}


@dataclass(frozen=True, slots=True)
class Event:
    """An event with its number, of the record `focus`."""

    number: int
    at: datetime
    focus: str


def notification(
    *, base: str, subscription_id: object, topic: str | None, kind: str, status: str, total: int,
    events: Sequence[Event], told: str,
) -> Resource:  # fmt: skip
    """Return a notification of the Subscriptions R5 Backport, R4: a Bundle of type history.

    `kind` is handshake, event-notification, query-status or query-event; `total` the events since
    the subscription became active; `told` what is said of each event, `empty` or `id-only`.
    """
    of = f"Subscription/{subscription_id}"
    parameters: list[Resource] = [
        {"name": "subscription", "valueReference": {"reference": f"{base}/{of}"}}
    ]
    if topic is not None:
        parameters.append({"name": "topic", "valueCanonical": address(base, topic)})
    parameters += [
        {"name": "status", "valueCode": status},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(total)},
    ]
    for one in events:
        part: list[Resource] = [
            {"name": "event-number", "valueString": str(one.number)},
            {"name": "timestamp", "valueInstant": one.at},
        ]
        if told == "id-only":
            part.append({"name": "focus", "valueReference": {"reference": f"{base}/{one.focus}"}})
        parameters.append({"name": "notification-event", "part": part})
    return {
        "resourceType": "Parameters",
        "id": str(subscription_id),
        "meta": {"profile": [_STATUS_PROFILE]},
        "parameter": parameters,
    }


def bundle(base: str, status: Resource, *, at: datetime) -> Resource:
    """Return the Bundle around the Parameters of a notification."""
    request = {"method": "GET", "url": f"{base}/Subscription/{status['id']}/$status"}
    return {
        "resourceType": "Bundle",
        "meta": {"profile": [PROFILE]},
        "type": "history",
        "timestamp": at,
        "entry": [
            {
                "fullUrl": f"urn:uuid:{status['id']}",
                "resource": status,
                "request": request,
                "response": {"status": "200"},
            }
        ],
    }
