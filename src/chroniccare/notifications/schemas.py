"""Wire shapes of notifications."""

from typing import Annotated, Literal, get_args
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Instant, Wire

Channel = Literal["sms", "email", "push"]
CHANNELS: tuple[str, ...] = get_args(Channel)
DeliveryStatus = Literal[
    "pending",
    "held",
    "queued",
    "sending",
    "unknown",
    "needs_staff",
    "accepted",
    "undelivered",
    "delivered",
    "unconfirmed",
    "failed",
    "suppressed",
    "expired",
    "cancelled",
    "superseded",
]


class Attempt(Wire):
    """One call of a provider."""

    id: Annotated[UUID, Field(description="UUID version 7, echoed by the provider.")]
    number: Annotated[int, Field(ge=1, description="1 for the first.", examples=[1])]
    channel: Annotated[Channel, Field(description="Channel it used.", examples=["sms"])]
    driver: Annotated[str, Field(description="Who was called.", examples=["outbox"])]
    status: Annotated[
        Literal[
            "prepared",
            "in_flight",
            "accepted",
            "rejected",
            "transient",
            "unknown",
            "delivered",
            "undelivered",
            "unconfirmed",
        ],
        Field(description="How far it got.", examples=["accepted"]),
    ]
    error_code: Annotated[
        str | None, Field(description="Why it failed, as a code.", examples=["smtp_550"])
    ]
    started_at: Annotated[Instant, Field(description="UTC instant of the call.")]
    finished_at: Annotated[Instant | None, Field(description="UTC instant of its outcome.")]


class Notification(Wire):
    """One message to a patient; its text and address are never answered."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    patient_id: Annotated[
        UUID | None, Field(description="The patient; null for rows of `chroniccare notify`.")
    ]
    related_person_id: Annotated[
        UUID | None, Field(description="Who receives it; null: the patient.")
    ]
    provider_id: Annotated[UUID | None, Field(description="The provider of the visit.")]
    appointment_id: Annotated[UUID | None, Field(description="The visit it is about.")]
    medication_id: Annotated[UUID | None, Field(description="The medication it is about.")]
    notification_type: Annotated[
        str, Field(description="What it says.", examples=["appointment_reminder"])
    ]
    channel: Annotated[
        Channel, Field(description="Channel in use, or used last.", examples=["sms"])
    ]
    channel_plan: Annotated[
        list[Channel],
        Field(description="Channel in use and those left after it.", examples=[["sms", "email"]]),
    ]
    priority: Annotated[Literal["urgent", "normal", "bulk"], Field(description="Class of queue.")]
    scheduled_send_time: Annotated[
        Instant, Field(description="UTC instant it is meant for, such as a day before the visit.")
    ]
    expires_at: Annotated[Instant | None, Field(description="Not sent at or after this instant.")]
    next_attempt_at: Annotated[
        Instant | None,
        Field(
            description="When it is looked at next; off the plan in quiet hours. Null when over."
        ),
    ]
    sent_at: Annotated[Instant | None, Field(description="UTC instant a provider took it.")]
    delivery_status: Annotated[
        DeliveryStatus, Field(description="Where it stands.", examples=["delivered"])
    ]
    reason: Annotated[
        str | None,
        Field(description="Why it was not sent, as a code.", examples=["no_contact_point"]),
    ]
    read_at: Annotated[Instant | None, Field(description="UTC instant it was read, if known.")]
    acknowledged_at: Annotated[
        Instant | None, Field(description="UTC instant the patient answered, if so.")
    ]
    retry_count: Annotated[
        int, Field(ge=0, description="Failures that might have passed.", examples=[0])
    ]
    attempts: Annotated[list[Attempt], Field(description="Every call, the first one first.")]
    created_at: Annotated[Instant, Field(description="UTC instant of planning.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]


class StatusCount(Wire):
    """How many messages of a channel have a status."""

    delivery_status: Annotated[
        DeliveryStatus, Field(description="The status.", examples=["delivered"])
    ]
    channel: Annotated[Channel, Field(description="The channel.", examples=["sms"])]
    count: Annotated[int, Field(ge=1, description="Messages.", examples=[17])]
