"""Wire shapes of plans."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from chroniccare.core.fields import Instant, Wire
from chroniccare.notifications.schemas import Channel

Kind = Literal[
    "appointment_confirmation",
    "appointment_rescheduled",
    "appointment_reminder",
    "appointment_cancelled",
    "waitlist_offer",
    "medication_reminder",
    "refill_reminder",
    "low_adherence",
    "recall",
]


class Step(Wire):
    """One channel of a plan."""

    channel: Annotated[Channel, Field(description="Where it is sent.", examples=["sms"])]
    timeout_minutes: Annotated[
        int,
        Field(
            ge=5,
            le=4320,  # three days: carriers tell no later
            description="Minutes for which `delivered` is waited for, shortened before the visit.",
            examples=[60],
        ),
    ] = 60
    evidence: Annotated[
        Literal["accepted", "delivered"],
        Field(
            description="What is enough: that a provider took it, or that it arrived. Where no "
            "receipts are heard, `accepted` is.",
            examples=["delivered"],
        ),
    ] = "delivered"


def _each_once(steps: list[Step]) -> list[Step]:
    if len({step.channel for step in steps}) < len(steps):
        raise PydanticCustomError("repeated", "must name each channel once")
    return steps


Steps = Annotated[
    list[Step],
    AfterValidator(_each_once),
    Field(
        min_length=1,
        max_length=3,
        description="In order; the next one follows a failure, or too long a wait.",
        examples=[
            [
                {"channel": "sms", "timeout_minutes": 60, "evidence": "delivered"},
                {"channel": "email", "timeout_minutes": 60, "evidence": "delivered"},
            ]
        ],
    ),
]


class PlanChange(Wire):
    """The steps that replace a plan's."""

    steps: Steps


class PlanWrite(PlanChange):
    """A clinic's own plan for a kind of message."""

    notification_type: Annotated[
        Kind, Field(description="Kind of message.", examples=["appointment_reminder"])
    ]


class Plan(Wire):
    """A clinic's own plan for a kind of message."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    notification_type: Annotated[
        str, Field(description="Kind of message.", examples=["appointment_reminder"])
    ]
    steps: Steps
    version: Annotated[int, Field(ge=1, description="The ETag.", examples=[1])]
    created_at: Annotated[Instant, Field(description="UTC instant it was made.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]


class InForce(Wire):
    """What holds for a kind of message."""

    notification_type: Annotated[
        str, Field(description="Kind of message.", examples=["appointment_reminder"])
    ]
    plan_id: Annotated[UUID | None, Field(description="The clinic's own plan; null: the default.")]
    steps: Steps


class AllInForce(Wire):
    """What holds for every kind of message."""

    plans: Annotated[list[InForce], Field(description="One for each kind, by name.")]
