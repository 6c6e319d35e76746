"""Wire shapes of appointments."""

import re
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, JsonValue
from pydantic_core import PydanticCustomError

from chroniccare.core.fields import Document, Instant, Line, Prose, Wire, Word, distinct

Status = Literal[
    "held",
    "scheduled",
    "confirmed",
    "checked_in",
    "in_progress",
    "completed",
    "cancelled",
    "no_show",
]
Priority = Literal["low", "normal", "high", "urgent"]
MAX_OTHERS = 10
# No more than a text message can carry beside what it says.
_LINK = re.compile(r"https://[!-~]{3,300}")
_START = "2026-12-01T09:00:00-05:00"


Set = Literal[
    "outside_availability",
    "short_notice",
    "beyond_horizon",
    "daily_maximum",
    "overbook",
    "late_change",
    "reschedule_limit",
]
_ALLOW = ["outside_availability"]


def _joinable(details: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Check that `link`, if there is one, can be sent to a patient."""
    link = details.get("link")
    if link is not None and not (isinstance(link, str) and _LINK.fullmatch(link)):
        raise PydanticCustomError("link", "link must be an https address without spaces")
    return details


class Override(Wire):
    """Rules that staff set aside for this one visit; needs the scope `appointments:override`."""

    allow: Annotated[
        list[Set],
        Field(
            min_length=1,
            max_length=7,
            description="`outside_availability`: the provider does not work or the facility is"
            " closed then. `short_notice`, `beyond_horizon`: the type's notice and horizon."
            " `daily_maximum`: the provider's most visits a day. `overbook`: over another visit of"
            " the provider. `late_change`, `reschedule_limit`: the clinic's rules for changes.",
            examples=[_ALLOW],
        ),
        AfterValidator(distinct),
    ]
    reason: Annotated[
        Line, Field(description="Why; audited.", examples=["Squeezed in after a fall"])
    ]


class VisitWrite(Wire):
    """What a visit is, whenever it takes place."""

    patient_id: Annotated[UUID, Field(description="Whom the visit is for.")]
    provider_id: Annotated[UUID, Field(description="Who sees the patient.")]
    facility_id: Annotated[UUID, Field(description="Where; the provider must work there.")]
    appointment_type: Annotated[Word, Field(description="Kind of visit.", examples=["follow_up"])]
    duration_minutes: Annotated[
        int | None,
        Field(
            ge=5,
            le=1440,
            description="Length in minutes; unless told, the provider's for this type, else 30.",
            examples=[30],
        ),
    ] = None
    priority: Annotated[Priority, Field(description="Urgency.", examples=["normal"])] = "normal"
    reason: Annotated[
        Prose | None, Field(description="Why the patient comes.", examples=["Quarterly check"])
    ] = None
    special_requirements: Annotated[
        Document, Field(description="What must be at hand.", examples=[{"interpreter": "es"}])
    ] = {}
    pre_appointment_instructions: Annotated[
        Document, Field(description="What to do before.", examples=[{"fasting_hours": 8}])
    ] = {}
    telehealth_details: Annotated[
        Annotated[Document, AfterValidator(_joinable)] | None,
        Field(
            description="How to join from afar. `link` (https) stands in the patient's messages. A"
            " change by whom it is not shown to leaves it.",
            examples=[None],
        ),
    ] = None
    insurance_verified: Annotated[
        bool, Field(description="Coverage has been checked.", examples=[False])
    ] = False
    additional_provider_ids: Annotated[
        list[UUID],
        Field(
            max_length=MAX_OTHERS,
            description="Others who must be there, such as a nurse; they must work there too.",
            examples=[[]],
        ),
        AfterValidator(distinct),
    ] = []
    resource_ids: Annotated[
        list[UUID],
        Field(
            max_length=MAX_OTHERS,
            description="Rooms and equipment it takes; what the type needs besides is chosen.",
            examples=[[]],
        ),
        AfterValidator(distinct),
    ] = []
    override: Annotated[
        Override | None, Field(description="Rules to set aside, and why.", examples=[None])
    ] = None


class AppointmentWrite(VisitWrite):
    """A visit as a client changes it."""

    scheduled_start: Annotated[
        Instant, Field(description="Instant with UTC offset; in the future.", examples=[_START])
    ]
    scheduled_end: Annotated[
        Instant | None,
        Field(
            description="Instant with UTC offset; instead of it, duration_minutes.",
            examples=["2026-12-01T09:30:00-05:00"],
        ),
    ] = None


class AppointmentBook(AppointmentWrite):
    """A visit as a client books it."""

    hold_minutes: Annotated[
        int | None,
        Field(
            ge=1,
            le=60,
            description="Hold the time so long and no longer, unless the visit is booked by then.",
            examples=[None],
        ),
    ] = None


class Reschedule(Wire):
    """When, and perhaps with whom and where, a visit takes place instead."""

    scheduled_start: Annotated[
        Instant, Field(description="Instant with UTC offset; in the future.", examples=[_START])
    ]
    duration_minutes: Annotated[
        int | None,
        Field(ge=5, le=1440, description="Length in minutes; unless told, as now.", examples=[30]),
    ] = None
    provider_id: Annotated[UUID | None, Field(description="Unless told, the same.")] = None
    facility_id: Annotated[UUID | None, Field(description="Unless told, the same.")] = None
    resource_ids: Annotated[
        Annotated[list[UUID], Field(max_length=MAX_OTHERS), AfterValidator(distinct)] | None,
        Field(
            description="Rooms and equipment it takes then. Unless told, those it has, of which"
            " the ones that were chosen by what its type needs are exchanged if they are taken;"
            " an empty list leaves the choice open.",
            examples=[None],
        ),
    ] = None
    reschedule_reason: Annotated[
        Prose | None, Field(description="Why, in words.", examples=["Provider is ill"])
    ] = None
    override: Annotated[
        Override | None, Field(description="Rules to set aside, and why.", examples=[None])
    ] = None


class Cancellation(Wire):
    """Why a visit is cancelled; in a body, because an address may be logged on its way."""

    cancellation_reason: Annotated[
        Prose,
        Field(min_length=1, description="Why, in words.", examples=["Patient asked for it"]),
    ]
    notify_patient: Annotated[
        bool, Field(description="Tell the patient; not for a visit in the past.", examples=[True])
    ] = True
    override: Annotated[
        Override | None, Field(description="Rules to set aside, and why.", examples=[None])
    ] = None


class Appointment(Wire):
    """A visit as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    patient_id: Annotated[UUID, Field(description="Whom the visit is for.")]
    provider_id: Annotated[UUID, Field(description="Who sees the patient.")]
    facility_id: Annotated[UUID, Field(description="Where.")]
    series_id: Annotated[UUID | None, Field(description="Series it belongs to.")]
    recurrence_id: Annotated[
        Instant | None,
        Field(description="UTC instant at which the series would have it (RFC 5545)."),
    ]
    series_exception: Annotated[
        bool, Field(description="It was changed by itself: changes of the series leave it alone.")
    ]
    appointment_type: Annotated[str, Field(description="Kind of visit.", examples=["follow_up"])]
    scheduled_start: Annotated[Instant, Field(description="UTC instant.")]
    scheduled_end: Annotated[Instant, Field(description="UTC instant.")]
    duration_minutes: Annotated[int, Field(description="Length in minutes.", examples=[30])]
    status: Annotated[Status, Field(description="Where the visit stands.", examples=["scheduled"])]
    priority: Annotated[Priority, Field(description="Urgency.", examples=["normal"])]
    reason: Annotated[str | None, Field(description="Why the patient comes.")]
    special_requirements: Annotated[Document, Field(description="What must be at hand.")]
    pre_appointment_instructions: Annotated[Document, Field(description="What to do before.")]
    telehealth_details: Annotated[
        Document | None,
        Field(description="How to join from afar; null without the scope `telehealth:read`."),
    ]
    insurance_verified: Annotated[bool, Field(description="Coverage has been checked.")]
    additional_provider_ids: Annotated[list[UUID], Field(description="Who else must be there.")]
    resource_ids: Annotated[list[UUID], Field(description="Rooms and equipment it takes.")]
    named_resource_ids: Annotated[
        list[UUID],
        Field(description="Those of them that were asked for by id; it keeps them when it moves."),
    ]
    group_session_id: Annotated[UUID | None, Field(description="Group session it is a seat in.")]
    buffer_before_minutes: Annotated[
        int, Field(description="Minutes that all but the patient are kept free before.")
    ]
    buffer_after_minutes: Annotated[int, Field(description="The same after.")]
    override: Annotated[Override | None, Field(description="Rules set aside, and why.")]
    held_until: Annotated[
        Instant | None, Field(description="UTC instant at which a held visit is given up.")
    ]
    reschedule_count: Annotated[int, Field(description="How often it was moved.")]
    sequence: Annotated[
        int,
        Field(description="Grows when time or place change or it is cancelled (RFC 5545)."),
    ]
    confirmed_at: Annotated[
        Instant | None,
        Field(description="UTC instant at which the patient's coming was confirmed."),
    ]
    checked_in_at: Annotated[Instant | None, Field(description="UTC instant of check-in.")]
    started_at: Annotated[Instant | None, Field(description="UTC instant at which it began.")]
    completed_at: Annotated[Instant | None, Field(description="UTC instant of completion.")]
    no_show_at: Annotated[
        Instant | None, Field(description="UTC instant at which it was marked as a no-show.")
    ]
    cancelled_at: Annotated[Instant | None, Field(description="UTC instant of cancellation.")]
    cancellation_reason: Annotated[str | None, Field(description="Why it was cancelled.")]
    version: Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
    created_at: Annotated[Instant, Field(description="UTC instant of creation.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]
