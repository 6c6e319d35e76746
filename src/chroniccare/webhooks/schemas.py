"""Wire shapes of webhooks."""

from typing import Annotated, Literal, get_args
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from chroniccare.core.fields import Instant, Line, Wire, distinct

EventType = Literal[
    "allergy.created",
    "allergy.updated",
    "allergy.removed",
    "appointment.created",
    "appointment.updated",
    "appointment.checked_in",
    "appointment.completed",
    "appointment.no_show",
    "appointment.cancelled",
    "break_glass.started",
    "break_glass.ended",
    "group_session.created",
    "group_session.updated",
    "group_session.cancelled",
    "series.created",
    "series.updated",
    "series.cancelled",
    "patient.created",
    "patient.updated",
    "record.created",
    "record.updated",
    "record.removed",
    "recall.opened",
    "recall.closed",
    "contact.suppressed",
    "contact.restored",
    "preferences.updated",
    "related_person.created",
    "related_person.updated",
    "related_person.removed",
    "device.registered",
    "device.enabled",
    "device.disabled",
    "device.removed",
    "reply.received",
    "task.opened",
    "task.completed",
    "task.cancelled",
    "dosing_times.updated",
    "medication.created",
    "medication.updated",
    "medication.stopped",
    "medication.completed",
    "medication.adherence.low",
    "medication.adherence.recovered",
    "medication.dose.recorded",
    "medication.filled",
    "medication.fill_voided",
    "api_key.created",
    "api_key.revoked",
    "smart_client.created",
    "smart_client.updated",
    "smart_client.removed",
    "spend.alert",
    "spend.exhausted",
    "staff.created",
    "staff.updated",
    "waitlist.offered",
    "waitlist.accepted",
    "waitlist.expired",
    "webhook.disabled",
    "webhook.ping",
]
"""Every event there is; docs/events.md says when."""

_EVENTS = frozenset(get_args(EventType))
Status = Literal["pending", "delivered", "failed", "disabled"]
Signing = Literal["hmac", "ed25519"]


def _pattern(value: str) -> str:
    known = value == "*" or value in _EVENTS
    if value.endswith(".*"):
        known = any(event.startswith(value[:-1]) for event in _EVENTS)
    if not known:
        raise PydanticCustomError("event", "must be an event of docs/events.md, `word.*` or `*`")
    return value


Pattern = Annotated[str, StringConstraints(max_length=64), AfterValidator(_pattern)]
Url = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=2048, strip_whitespace=False, pattern=r"^[^\x00-\x20\x7f]+$"
    ),
]


class EndpointWrite(Wire):
    """Where events are to be sent, as a client writes it."""

    url: Annotated[
        Url,
        Field(
            description="https on port 443 of a public host.",
            examples=["https://93.184.215.14/chroniccare"],
        ),
    ]
    events: Annotated[
        list[Pattern],
        Field(
            min_length=1,
            max_length=60,
            description="Events that are sent: by name, `appointment.*`, or `*` for all.",
            examples=[["appointment.*", "medication.adherence.low"]],
        ),
        AfterValidator(distinct),
    ]
    description: Annotated[
        Line | Literal[""], Field(description="For people.", examples=["Billing"])
    ] = ""
    enabled: Annotated[bool, Field(description="False: nothing is sent; what waits is parked.")] = (
        True
    )


class EndpointCreate(EndpointWrite):
    """A new endpoint."""

    signing: Annotated[
        Signing,
        Field(
            description="`hmac`: a secret that both sides hold; `ed25519`: the receiver holds a "
            "public key."
        ),
    ] = "hmac"


class Endpoint(EndpointWrite):
    """An endpoint as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    disabled_reason: Annotated[
        Literal["gone", "failing", "unreadable", "by_hand"] | None,
        Field(
            description="`gone`: it answered 410; `failing`: three days without success; "
            "`unreadable`: three days, in the end because its secret could not be opened."
        ),
    ]
    signing: Annotated[Signing, Field(description="How deliveries are signed.")]
    public_key: Annotated[
        str | None,
        Field(
            description="With `ed25519`: what receivers verify with.",
            examples=["whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="],
        ),
    ]
    previous_secret_until: Annotated[
        Instant | None,
        Field(
            description="UTC instant until which the secret before signs as well.",
            examples=["2026-12-02T09:00:00Z"],
        ),
    ]
    failing_since: Annotated[
        Instant | None,
        Field(
            description="UTC instant of the first failure since the last success.",
            examples=["2026-12-01T09:00:00Z"],
        ),
    ]
    failures: Annotated[int, Field(description="Failures since then.", examples=[0])]
    paused_until: Annotated[
        Instant | None,
        Field(
            description="UTC instant until which nothing is tried.",
            examples=["2026-12-01T09:05:00Z"],
        ),
    ]
    version: Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
    created_at: Annotated[Instant, Field(description="UTC instant of creation.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]


class EndpointSecret(Endpoint):
    """An endpoint with its new secret."""

    secret: Annotated[
        str | None,
        Field(
            description="Shown this once; null when an idempotency key answers again. With "
            "`ed25519` null: verify with `public_key`.",
            examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        ),
    ]


class Resend(Wire):
    """Which events are sent again."""

    since: Annotated[
        Instant, Field(description="From this instant on.", examples=["2026-11-01T00:00:00Z"])
    ]
    until: Annotated[
        Instant | None,
        Field(description="Before this instant; null: until now.",
              examples=["2026-11-02T00:00:00Z"]),
    ] = None  # fmt: skip
    delivered: Annotated[
        bool, Field(description="Also those that were delivered; otherwise what was not.")
    ] = False


class Resent(Wire):
    """How many events are sent again."""

    count: Annotated[int, Field(description="Events that are sent.", examples=[12])]


class Attempt(Wire):
    """One request to an endpoint."""

    number: Annotated[int, Field(description="1 is the first.", examples=[1])]
    started_at: Annotated[Instant, Field(description="UTC instant.")]
    finished_at: Annotated[
        Instant | None, Field(description="UTC instant; null: it is on its way, or was cut off.")
    ]
    request_headers: Annotated[
        dict[str, str],
        Field(description="As sent, without signatures.", examples=[{"webhook-id": "0190..."}]),
    ]
    response_status: Annotated[
        int | None, Field(description="Status of the answer, if there was one.", examples=[200])
    ]
    response_start: Annotated[
        str | None, Field(description="First 500 characters of the answer.", examples=["ok"])
    ]
    latency_ms: Annotated[
        int | None, Field(description="Milliseconds until the answer's end.", examples=[38])
    ]
    error: Annotated[
        str | None,
        Field(
            description="Why there was none: `url`, `unresolvable`, `address` (not public), "
            "`unreachable`, `tls`, `timeout`, `disconnected`; `secret`: it could not be signed.",
            examples=["timeout"],
        ),
    ]


class Delivery(Wire):
    """One event for one endpoint."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    event_id: Annotated[UUID, Field(description="The event; `webhook-id`.")]
    event_type: Annotated[str, Field(description="Its name.", examples=["appointment.created"])]
    entity_type: Annotated[str, Field(description="Kind of record.", examples=["appointment"])]
    entity_id: Annotated[UUID, Field(description="The record it is about.")]
    status: Annotated[
        Status, Field(description="`failed`: given up; `disabled`: parked with its webhook.")
    ]
    attempt: Annotated[int, Field(description="Attempts so far.", examples=[1])]
    next_attempt_at: Annotated[
        Instant | None,
        Field(
            description="UTC instant of the next; null while an earlier event of the record waits.",
            examples=["2026-12-01T09:05:00Z"],
        ),
    ]
    response_status: Annotated[
        int | None, Field(description="Status of the last answer.", examples=[200])
    ]
    latency_ms: Annotated[
        int | None, Field(description="Milliseconds of the last attempt.", examples=[38])
    ]
    delivered_at: Annotated[
        Instant | None, Field(description="UTC instant.", examples=["2026-12-01T09:00:01Z"])
    ]
    created_at: Annotated[Instant, Field(description="UTC instant at which it was handed on.")]
    attempts: Annotated[list[Attempt], Field(description="Each request, the oldest first.")]
