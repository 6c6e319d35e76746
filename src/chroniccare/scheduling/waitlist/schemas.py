"""Wire shapes of the waitlist and its offers."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from chroniccare.core.fields import ClockTime, Day, Instant, Prose, WallTime, Wire, Word, distinct
from chroniccare.scheduling.schemas import Priority
from chroniccare.scheduling.slots.schemas import Slot

Status = Literal["waiting", "offered", "booked", "expired", "removed"]
Outcome = Literal["open", "accepted", "declined", "expired", "withdrawn"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_SOME_DAYS = ["monday", "tuesday"]


class WaitlistWrite(Wire):
    """What a patient waits for, as a client writes it; what is not told may be anything."""

    patient_id: Annotated[UUID, Field(description="Who waits.")]
    provider_id: Annotated[UUID | None, Field(description="With this provider only.")] = None
    facility_id: Annotated[UUID | None, Field(description="At this facility only.")] = None
    appointment_type: Annotated[
        Word | None,
        Field(
            description="Kind of visit; unless told, that of the later visit, or of the time that"
            " is offered.",
            examples=["follow_up"],
        ),
    ] = None
    duration_minutes: Annotated[
        int | None,
        Field(
            ge=5,
            le=1440,
            description="Length in minutes; unless told, that of the later visit, or all of the"
            " time that is offered.",
            examples=[30],
        ),
    ] = None
    appointment_id: Annotated[
        UUID | None,
        Field(description="A later visit of the patient, which an accepted offer moves up."),
    ] = None
    earliest: Annotated[
        Day | None, Field(description="First local day that suits.", examples=["2026-12-01"])
    ] = None
    latest: Annotated[
        Day | None,
        Field(
            description="Last local day that suits; after it the entry expires.",
            examples=["2026-12-31"],
        ),
    ] = None
    due_on: Annotated[
        Day | None,
        Field(
            description="Day on which the visit is due; who is overdue comes before who is not.",
            examples=["2026-12-15"],
        ),
    ] = None
    days: Annotated[
        list[Weekday],
        Field(
            max_length=7, description="Weekdays that suit; empty for any.", examples=[_SOME_DAYS]
        ),
        AfterValidator(distinct),
    ] = []
    starts_from: Annotated[
        WallTime | None,
        Field(
            description="The visit starts at this local time of day or later.", examples=["08:00"]
        ),
    ] = None
    starts_before: Annotated[
        ClockTime | None,
        Field(
            description="The visit starts before this local time of day, up to 24:00; at or before"
            " `starts_from` it means the next day.",
            examples=["12:00"],
        ),
    ] = None
    priority: Annotated[
        Priority, Field(description="Urgency; the most urgent are offered first.")
    ] = "normal"
    notes: Annotated[Prose | None, Field(description="For staff.", examples=["Works nights"])] = (
        None
    )


class OfferWrite(Wire):
    """A free time that staff offer by hand."""

    provider_id: Annotated[UUID, Field(description="With whom.")]
    facility_id: Annotated[UUID, Field(description="Where.")]
    scheduled_start: Annotated[
        Instant,
        Field(
            description="Instant with UTC offset; at least 45 minutes from now.",
            examples=["2026-12-01T09:00:00-05:00"],
        ),
    ]
    appointment_type: Annotated[
        Word | None,
        Field(
            description="Kind of visit; needed where the entry names none.", examples=["follow_up"]
        ),
    ] = None
    duration_minutes: Annotated[
        int | None,
        Field(
            ge=5,
            le=1440,
            description="Length in minutes; unless told, the entry's, else the provider's for the"
            " type.",
            examples=[30],
        ),
    ] = None
    notify_patient: Annotated[
        bool,
        Field(
            description="Write to the patient; not in their quiet hours. false when they are on"
            " the phone.",
            examples=[True],
        ),
    ] = True


class WaitlistEntry(Wire):
    """An entry as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    patient_id: Annotated[UUID, Field(description="Who waits.")]
    provider_id: Annotated[UUID | None, Field(description="With this provider only.")]
    facility_id: Annotated[UUID | None, Field(description="At this facility only.")]
    appointment_type: Annotated[str | None, Field(description="Kind of visit.")]
    duration_minutes: Annotated[int | None, Field(description="Length in minutes.")]
    appointment_id: Annotated[UUID | None, Field(description="The later visit to move up.")]
    earliest: Annotated[Day | None, Field(description="First local day that suits.")]
    latest: Annotated[Day | None, Field(description="Last local day that suits.")]
    due_on: Annotated[Day | None, Field(description="Day on which the visit is due.")]
    days: Annotated[list[Weekday], Field(description="Weekdays that suit; empty for any.")]
    starts_from: Annotated[str | None, Field(description="Local time of day, HH:MM.")]
    starts_before: Annotated[str | None, Field(description="Local time of day, HH:MM.")]
    priority: Annotated[Priority, Field(description="Urgency.", examples=["normal"])]
    notes: Annotated[str | None, Field(description="For staff.")]
    status: Annotated[
        Status,
        Field(
            description="`offered` while an offer is open; `booked`, `expired` and `removed` are"
            " final.",
            examples=["waiting"],
        ),
    ]
    booked_appointment_id: Annotated[UUID | None, Field(description="The visit that came of it.")]
    version: Annotated[int, Field(description="Grows with every change; the ETag.", examples=[1])]
    created_at: Annotated[Instant, Field(description="UTC instant.")]
    updated_at: Annotated[Instant, Field(description="UTC instant.")]


class WaitlistMade(WaitlistEntry):
    """A new entry, and what fits it already."""

    free_times: Annotated[
        list[Slot],
        Field(
            description="Up to three times that are free already and fit, the earliest first;"
            " nothing is held, and they are not offered by themselves."
        ),
    ]


class WaitlistOffer(Wire):
    """One time, kept for one patient, as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    entry_id: Annotated[UUID, Field(description="Entry of the waitlist.")]
    appointment_id: Annotated[
        UUID, Field(description="The held visit; it is booked when the offer is accepted.")
    ]
    provider_id: Annotated[UUID, Field(description="With whom.")]
    facility_id: Annotated[UUID, Field(description="Where.")]
    scheduled_start: Annotated[Instant, Field(description="UTC instant.")]
    scheduled_end: Annotated[Instant, Field(description="UTC instant.")]
    offered_at: Annotated[Instant, Field(description="UTC instant.")]
    expires_at: Annotated[
        Instant, Field(description="UTC instant from which it cannot be accepted any more.")
    ]
    outcome: Annotated[
        Outcome,
        Field(
            description="`withdrawn`: staff took the entry off the list, or cancelled the hold.",
            examples=["open"],
        ),
    ]
    settled_at: Annotated[Instant | None, Field(description="UTC instant of the outcome.")]
    version: Annotated[int, Field(description="Grows with every change; the ETag.", examples=[1])]
