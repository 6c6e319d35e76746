"""Wire shapes of timelines, rates and forecasts."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Instant, Wire
from chroniccare.notifications.schemas import Channel, DeliveryStatus, StatusCount

GroupBy = Literal["channel", "notification_type", "hour"]


class Event(Wire):
    """One step of a message."""

    at: Annotated[Instant, Field(description="UTC instant.")]
    code: Annotated[str, Field(description="What happened, as a code.", examples=["held"])]
    text: Annotated[
        str,
        Field(
            description="The same in words, times where the patient lives.",
            examples=["Planned for 2031-03-05 08:00 (America/New_York)."],
        ),
    ]
    status: Annotated[
        DeliveryStatus | None,
        Field(description="State from here on; null when it did not change.", examples=["held"]),
    ]
    channel: Annotated[Channel | None, Field(description="Channel it is about.", examples=["sms"])]
    reason: Annotated[str | None, Field(description="Why, as a code.", examples=["no_consent"])]
    until: Annotated[Instant | None, Field(description="When it is looked at next, if it waits.")]
    attempt_id: Annotated[UUID | None, Field(description="The call of a provider.")]
    attempt: Annotated[int | None, Field(description="Its number, from 1.", examples=[1])]
    driver: Annotated[str | None, Field(description="Who was called.", examples=["outbox"])]
    by: Annotated[
        str | None,
        Field(description="Who did it, if somebody did.", examples=["api_key:5c1f6f0e-..."]),
    ]


class Timeline(Wire):
    """Why a message stands where it stands; never its text or its address."""

    id: Annotated[UUID, Field(description="The notification.")]
    notification_type: Annotated[
        str, Field(description="What it says.", examples=["appointment_reminder"])
    ]
    delivery_status: Annotated[DeliveryStatus, Field(description="Where it stands.")]
    scheduled_send_time: Annotated[Instant, Field(description="UTC instant it is meant for.")]
    explanation: Annotated[
        str, Field(description="Why it stands there, in words.", examples=["It arrived."])
    ]
    events: Annotated[list[Event], Field(description="Every step, the first one first.")]


class Rate(Wire):
    """A share of the messages that were to reach somebody and wait no more."""

    numerator: Annotated[int, Field(ge=0, description="Messages.", examples=[41])]
    denominator: Annotated[int, Field(ge=0, description="Of so many.", examples=[50])]
    rate: Annotated[float | None, Field(description="0 to 1; null of nothing.", examples=[0.82])]


class Tally(Wire):
    """What became of a group of messages."""

    key: Annotated[
        str, Field(description="Channel, type, or local hour of the day.", examples=["sms"])
    ]
    total: Annotated[int, Field(ge=1, description="Messages of the group.", examples=[60])]
    waiting: Annotated[int, Field(ge=0, description="Not sent yet.", examples=[8])]
    given_up: Annotated[
        int, Field(ge=0, description="Not wanted any more: cancelled, superseded.", examples=[2])
    ]
    in_doubt: Annotated[
        int, Field(ge=0, description="The provider may have them or not.", examples=[0])
    ]
    delivered: Annotated[Rate, Field(description="Known to have arrived.")]
    accepted: Annotated[Rate, Field(description="A provider has them; no more is known.")]
    failed: Annotated[
        Rate, Field(description="Nobody was reached: failed, undelivered, suppressed, expired.")
    ]
    fallback_used: Annotated[Rate, Field(description="A second channel was tried.")]


# By alias on the wire: `from` is a word of Python's.
class DeliveryCounts(Wire):
    """Messages meant for a range of time, counted by status and channel, and by group."""

    from_: Annotated[Instant, Field(alias="from", description="UTC instant the range begins.")]
    to: Annotated[Instant, Field(description="UTC instant the range ends before.")]
    total: Annotated[int, Field(ge=0, description="Messages in the range.", examples=[17])]
    counts: Annotated[list[StatusCount], Field(description="Every pair that occurs.")]
    group_by: Annotated[GroupBy | None, Field(description="What was asked for.")]
    time_zone: Annotated[
        str | None,
        Field(description="IANA zone of the hours; else null.", examples=["America/New_York"]),
    ]
    groups: Annotated[list[Tally], Field(description="Every group that occurs; else empty.")]


class Waiting(Wire):
    """Messages of a class and channel that are due and not sent."""

    priority: Annotated[Literal["urgent", "normal", "bulk"], Field(description="Class of queue.")]
    channel: Annotated[Channel, Field(description="Channel tried next.", examples=["sms"])]
    count: Annotated[int, Field(ge=1, description="Messages.", examples=[3])]
    oldest_at: Annotated[Instant, Field(description="UTC instant since when the oldest is due.")]


class Queue(Wire):
    """What is due and not sent yet."""

    as_of: Annotated[Instant, Field(description="UTC instant of this.")]
    count: Annotated[int, Field(ge=0, description="Messages.", examples=[3])]
    age_seconds: Annotated[
        float, Field(ge=0, description="Since when the oldest is due; 0: none is.", examples=[2.5])
    ]
    waiting: Annotated[list[Waiting], Field(description="By class and channel, oldest first.")]


class PlannedLine(Wire):
    """Messages of a kind on a channel."""

    channel: Annotated[Channel, Field(description="Channel tried first.", examples=["sms"])]
    notification_type: Annotated[
        str, Field(description="What they say.", examples=["appointment_reminder"])
    ]
    count: Annotated[int, Field(ge=1, description="Messages.", examples=[120])]
    moved: Annotated[
        int,
        Field(ge=0, description="Of these, off the time on paper: quiet hours, pauses.",
              examples=[7]),
    ]  # fmt: skip


_Count = Annotated[int, Field(ge=0, description="Messages.", examples=[140])]
_Moved = Annotated[int, Field(ge=0, description="Of these, off the time on paper.", examples=[7])]
_Cost = Annotated[
    float | None,
    Field(
        description="The SMS at CHRONICCARE_SMS_SEGMENT_PRICE, one segment each: the least that "
        "they cost. Null when no price is set.",
        examples=[1.08],
    ),
]

_Segments = Annotated[
    int,
    Field(ge=0, description="Segments of the SMS, as long as those of late.", examples=[160]),
]
_Expected = Annotated[
    float | None,
    Field(
        description="What they cost at what SMS of the last 30 days did, or else at the price of a "
        "segment, in the currency of the limits. Null when no price is known.",
        examples=[1.26],
    ),
]


class PlannedDay(Wire):
    """One local day."""

    day: Annotated[date, Field(description="Local day.", examples=["2031-03-05"])]
    count: _Count
    moved: _Moved
    cost_at_least: _Cost
    segments: _Segments
    cost: _Expected
    planned: Annotated[list[PlannedLine], Field(description="By channel and type.")]


class Forecast(Wire):
    """What goes out if nothing changes; bookings to come are not guessed."""

    time_zone: Annotated[
        str, Field(description="IANA zone of the days.", examples=["America/New_York"])
    ]
    days: Annotated[int, Field(ge=1, description="Days asked for, today included.", examples=[30])]
    count: _Count
    moved: _Moved
    cost_at_least: _Cost
    segments: _Segments
    cost: _Expected
    follow_ups_at_most: Annotated[
        int,
        Field(ge=0, description="Sent already; by the next channel too without a receipt."),
    ]
    by_day: Annotated[list[PlannedDay], Field(description="Days with messages, today first.")]
