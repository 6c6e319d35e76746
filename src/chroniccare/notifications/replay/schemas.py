"""Wire shapes of messages that reached nobody."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Instant, Wire, Word
from chroniccare.notifications.schemas import Channel

FailedStatus = Literal["failed", "undelivered", "suppressed", "expired"]


class Failed(Wire):
    """A message that reached nobody."""

    id: Annotated[UUID, Field(description="The notification.")]
    patient_id: Annotated[
        UUID | None, Field(description="The patient; null for rows of `chroniccare notify`.")
    ]
    appointment_id: Annotated[UUID | None, Field(description="The visit it is about.")]
    notification_type: Annotated[
        str, Field(description="What it says.", examples=["appointment_reminder"])
    ]
    channel: Annotated[Channel, Field(description="Channel tried last.", examples=["email"])]
    delivery_status: Annotated[FailedStatus, Field(description="Where it stands.")]
    cause: Annotated[
        str,
        Field(description="Its reason as a code, else its status.", examples=["no_contact_point"]),
    ]
    attempts: Annotated[int, Field(ge=0, description="Calls of providers.", examples=[2])]
    replays: Annotated[int, Field(ge=0, description="How often it was put back.", examples=[0])]
    expires_at: Annotated[Instant | None, Field(description="It has no point from here on.")]
    failed_at: Annotated[Instant, Field(description="UTC instant it was given up.")]


class Group(Wire):
    """What failed of one cause on one channel."""

    cause: Annotated[str, Field(description="Cause, as a code.", examples=["smtp_550"])]
    channel: Annotated[Channel, Field(description="Channel tried last.", examples=["email"])]
    count: Annotated[int, Field(ge=1, description="Messages.", examples=[12])]
    first_at: Annotated[Instant, Field(description="UTC instant of the first.")]
    last_at: Annotated[Instant, Field(description="UTC instant of the last.")]


class FailedPage(Wire):
    """What reached nobody: all of it by cause, and one page of it."""

    groups: Annotated[list[Group], Field(description="By cause and channel, most first.")]
    items: Annotated[list[Failed], Field(description="One page, the latest first.")]
    next_cursor: Annotated[
        str | None, Field(description="Send as `cursor` for the next page; null on the last.")
    ]


class ReplayWrite(Wire):
    """Which messages to put back; how many, and filters that narrow."""

    cause: Annotated[
        Word | None, Field(description="Only of this cause.", examples=["timeout"])
    ] = None
    channel: Annotated[Channel | None, Field(description="Only on this channel.")] = None
    since: Annotated[
        Instant | None,
        Field(description="Only what failed since.", examples=["2031-03-04T09:00:00-05:00"]),
    ] = None
    limit: Annotated[int, Field(ge=1, le=1000, description="At most so many.", examples=[1000])]
    cursor: Annotated[
        str | None,
        Field(max_length=2048, description="`next_cursor` of the answer before.", examples=[None]),
    ] = None


class Verdict(Wire):
    """What became of one message."""

    id: Annotated[UUID, Field(description="The notification.")]
    outcome: Annotated[
        Literal["requeued", "refused"], Field(description="Put back or not.", examples=["requeued"])
    ]
    reason: Annotated[
        str | None, Field(description="Why it was refused, as a code.", examples=["too_late"])
    ]
    next_attempt_at: Annotated[
        Instant | None, Field(description="When it goes out; later in quiet hours.")
    ]


class Replayed(Wire):
    """What became of each message, the latest first."""

    requeued: Annotated[int, Field(ge=0, description="Put back.", examples=[11])]
    refused: Annotated[int, Field(ge=0, description="Left as they were.", examples=[1])]
    results: Annotated[list[Verdict], Field(description="One for each message.")]
    next_cursor: Annotated[
        str | None, Field(description="Send as `cursor` to go on; null when all were looked at.")
    ]
