"""Wire shapes of series."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from chroniccare.core.envelope import FieldProblem
from chroniccare.core.fields import Day, Instant, Line, Prose, WallTime, Wire, distinct
from chroniccare.scheduling.schemas import MAX_OTHERS, Override, Priority, Status, VisitWrite
from chroniccare.scheduling.series.rules_rrule import (
    MAX_CYCLE_DAYS,
    MAX_TEXT,
    MOST_VISITS,
    Pattern,
)

Mode = Literal["all_or_nothing", "next_best", "skip_conflicts"]
Prefer = Literal["same_provider", "same_weekday"]
Scope = Literal["this", "this_and_following", "all"]
MAX_SHIFT_DAYS = 31
MAX_ALTERNATIVES = 5

_LOCAL = "2026-12-01T09:00:00-05:00"
LocalDate = Annotated[str, Field(max_length=16)]
Which = Annotated[
    Scope,
    Field(
        description="`this`: the one visit, which the series then leaves alone."
        " `this_and_following`: from that visit on; the series is split. `all`: every visit to"
        " come that was not changed by itself.",
        examples=["all"],
    ),
]
Pivot = Annotated[
    UUID | None,
    Field(description="Which visit; for `this` and `this_and_following`.", examples=[None]),
]


class CyclesWrite(Wire):
    """Treatment cycles: 6 times 21 days with visits on days 1, 8 and 15."""

    count: Annotated[int, Field(ge=1, le=100, description="How many cycles.", examples=[6])]
    length_days: Annotated[
        int, Field(ge=1, le=MAX_CYCLE_DAYS, description="Days from one to the next.", examples=[21])
    ]
    days: Annotated[
        list[Annotated[int, Field(ge=1, le=MAX_CYCLE_DAYS)]],
        Field(
            min_length=1,
            max_length=MOST_VISITS,
            description="Days of a cycle with a visit; first_date is day 1.",
            examples=[[1, 8, 15]],
        ),
    ]


class Recurrence(Wire):
    """How visits come back: one of rrule, pattern and cycles, and where it ends."""

    rrule: Annotated[
        Annotated[str, Field(min_length=1, max_length=MAX_TEXT)] | None,
        Field(
            description="Rule of RFC 5545, days and longer; with an end of its own, or one here.",
            examples=["FREQ=WEEKLY;BYDAY=TU;COUNT=12"],
        ),
    ] = None
    pattern: Annotated[
        Pattern | None,
        Field(
            description="A common rule by name; a month without the day has its last day instead.",
            examples=[None],
        ),
    ] = None
    cycles: Annotated[CyclesWrite | None, Field(description="Cycles.", examples=[None])] = None
    count: Annotated[
        Annotated[int, Field(ge=1, le=MOST_VISITS)] | None,
        Field(description="End after so many visits.", examples=[None]),
    ] = None
    until: Annotated[
        Day | None, Field(description="End on this local date, included.", examples=[None])
    ] = None


class SeriesBook(VisitWrite):
    """A series as a client books it: what each visit is, and when they take place."""

    series_name: Annotated[
        Line | None, Field(description="What staff call it.", examples=["FOLFOX, six cycles"])
    ] = None
    first_date: Annotated[
        Day, Field(description="Local date on which it begins (DTSTART).", examples=["2026-12-01"])
    ]
    local_time: Annotated[
        WallTime,
        Field(
            description="What the facility's clocks show when a visit starts, the year round.",
            examples=["09:00"],
        ),
    ]
    recurrence: Annotated[
        Recurrence | None,
        Field(description="How visits come back; without it first_date and rdates are all."),
    ] = None
    rdates: Annotated[
        list[LocalDate],
        Field(
            max_length=MOST_VISITS,
            description="Local dates, or dates with times, that are added.",
            examples=[["2026-12-24", "2026-12-28T14:00"]],
        ),
    ] = []
    exdates: Annotated[
        list[LocalDate],
        Field(
            max_length=MOST_VISITS,
            description="Local dates, or dates with times, that are left out.",
            examples=[["2026-12-25"]],
        ),
    ] = []
    mode: Annotated[
        Mode,
        Field(
            description="When a visit cannot be at its time: `all_or_nothing` refuses the series,"
            " `next_best` moves the visit, `skip_conflicts` leaves it out.",
            examples=["all_or_nothing"],
        ),
    ] = "all_or_nothing"
    max_shift_days: Annotated[
        int,
        Field(
            ge=0,
            le=MAX_SHIFT_DAYS,
            description="Days that `next_best` moves a visit at most, back or forth.",
            examples=[7],
        ),
    ] = 7
    prefer: Annotated[
        Prefer,
        Field(
            description="What `next_best` keeps first: the provider, or the day of the week.",
            examples=["same_provider"],
        ),
    ] = "same_provider"
    alternative_provider_ids: Annotated[
        list[UUID],
        Field(
            max_length=MAX_ALTERNATIVES,
            description="Who may see the patient instead, for `next_best`.",
            examples=[[]],
        ),
        AfterValidator(distinct),
    ] = []
    dry_run: Annotated[
        bool, Field(description="Answer what would be booked, and book nothing.", examples=[False])
    ] = False


Preview = Annotated[
    Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None,
    Field(
        description="`preview` of the dry run that was looked at: 412 PREVIEW_CHANGED where"
        " something else would be done by now.",
        examples=[None],
    ),
]


class SeriesEdit(Wire):
    """What changes in visits of a series; what is not told stays. All of them change, or none."""

    scope: Which
    appointment_id: Pivot = None
    local_time: Annotated[
        WallTime | None, Field(description="Another time of day.", examples=["10:30"])
    ] = None
    duration_minutes: Annotated[
        Annotated[int, Field(ge=5, le=1440)] | None,
        Field(description="Another length in minutes.", examples=[None]),
    ] = None
    provider_id: Annotated[UUID | None, Field(description="Who instead.", examples=[None])] = None
    facility_id: Annotated[
        UUID | None,
        Field(description="Where instead; local_time is on its clocks then.", examples=[None]),
    ] = None
    additional_provider_ids: Annotated[
        Annotated[list[UUID], Field(max_length=MAX_OTHERS), AfterValidator(distinct)] | None,
        Field(description="Others who must be there.", examples=[None]),
    ] = None
    resource_ids: Annotated[
        Annotated[list[UUID], Field(max_length=MAX_OTHERS), AfterValidator(distinct)] | None,
        Field(description="Rooms and equipment.", examples=[None]),
    ] = None
    priority: Annotated[Priority | None, Field(description="Urgency.", examples=[None])] = None
    reason: Annotated[
        Prose | None,
        Field(description="Why the patient comes; null for no reason.", examples=["Iron"]),
    ] = None
    override: Annotated[
        Override | None, Field(description="Rules to set aside, and why.", examples=[None])
    ] = None
    dry_run: Annotated[
        bool, Field(description="Answer what would change, and change nothing.", examples=[False])
    ] = False
    preview: Preview = None


class SeriesCancellation(Wire):
    """Which visits of a series are cancelled, and why."""

    scope: Which
    appointment_id: Pivot = None
    cancellation_reason: Annotated[
        Prose, Field(min_length=1, description="Why, in words.", examples=["Therapy has ended"])
    ]
    notify_patient: Annotated[
        bool, Field(description="Tell the patient, once for all visits.", examples=[True])
    ] = True
    override: Annotated[
        Override | None, Field(description="Rules to set aside, and why.", examples=[None])
    ] = None
    dry_run: Annotated[
        bool,
        Field(description="Answer what would be cancelled, and cancel nothing.", examples=[False]),
    ] = False
    preview: Preview = None


class Series(Wire):
    """A series as the API answers it."""

    id: Annotated[UUID | None, Field(description="UUID version 7; null in a dry run.")]
    patient_id: Annotated[UUID, Field(description="Whom it is for.")]
    provider_id: Annotated[UUID, Field(description="Who sees the patient.")]
    facility_id: Annotated[UUID, Field(description="Where.")]
    appointment_type: Annotated[str, Field(description="Kind of visit.", examples=["infusion"])]
    series_name: Annotated[str | None, Field(description="What staff call it.")]
    recurrence_pattern: Annotated[
        str,
        Field(
            description="Rule of RFC 5545, `CYCLES=6;LENGTH=21;DAYS=1,8,15`, or `RDATE` for the"
            " rdates alone.",
            examples=["FREQ=WEEKLY;COUNT=12;BYDAY=TU"],
        ),
    ]
    series_start_date: Annotated[date, Field(description="Local date on which it begins.")]
    series_end_date: Annotated[date | None, Field(description="Local date of its last visit.")]
    local_time: Annotated[str, Field(description="On the facility's clocks.", examples=["09:00"])]
    time_zone: Annotated[
        str, Field(description="The facility's IANA zone.", examples=["America/New_York"])
    ]
    duration_minutes: Annotated[int, Field(description="Length in minutes.", examples=[30])]
    rdates: Annotated[list[str], Field(description="Local dates or times that are added.")]
    exdates: Annotated[list[str], Field(description="Local dates or times that are left out.")]
    mode: Annotated[Mode, Field(description="How it was booked.")]
    split_from_id: Annotated[
        UUID | None, Field(description="The series whose later visits it took over.")
    ]
    is_active: Annotated[bool, Field(description="It was not cancelled as a whole.")]
    cancelled_at: Annotated[Instant | None, Field(description="UTC instant of cancellation.")]
    cancellation_reason: Annotated[str | None, Field(description="Why it was cancelled.")]
    total_appointments: Annotated[
        int, Field(description="Visits that are not cancelled.", examples=[12])
    ]
    completed_appointments: Annotated[
        int, Field(description="Visits that are completed.", examples=[3])
    ]
    version: Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
    created_at: Annotated[Instant, Field(description="UTC instant of creation.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]


class Occurrence(Wire):
    """What became of one visit of a series."""

    recurrence_id: Annotated[
        Instant, Field(description="UTC instant at which the series has it (RFC 5545).")
    ]
    local_wanted: Annotated[
        Instant, Field(description="The same on the facility's clocks.", examples=[_LOCAL])
    ]
    result: Annotated[
        Literal["booked", "moved", "failed", "changed", "cancelled"],
        Field(description="`moved`: to another time or provider.", examples=["booked"]),
    ]
    appointment_id: Annotated[
        UUID | None,
        Field(description="The visit; null when there is none, as before it is booked."),
    ]
    scheduled_start: Annotated[Instant | None, Field(description="UTC instant; null if failed.")]
    scheduled_end: Annotated[Instant | None, Field(description="UTC instant; null if failed.")]
    local_start: Annotated[
        Instant | None, Field(description="scheduled_start on the facility's clocks.")
    ]
    provider_id: Annotated[UUID | None, Field(description="With whom; null if failed.")]
    moved_minutes: Annotated[
        int | None,
        Field(description="Minutes from the time wanted, back below zero; null if failed."),
    ]
    faults: Annotated[
        list[FieldProblem], Field(description="Why it could not be at the time wanted.")
    ]


class SeriesResult(Wire):
    """A series, and what became of each of its visits."""

    series: Annotated[Series, Field(description="The series.")]
    dry_run: Annotated[bool, Field(description="Nothing was written.")]
    booked: Annotated[int, Field(description="Visits at their time.", examples=[12])]
    moved: Annotated[int, Field(description="Visits at another time or provider.", examples=[0])]
    failed: Annotated[int, Field(description="Visits that could not be booked.", examples=[0])]
    occurrences: Annotated[list[Occurrence], Field(description="By time.")]
    preview: Annotated[
        str | None,
        Field(
            description="Of a dry run of a change or cancellation: sent along as `preview`, it has"
            " what was shown done, or nothing."
        ),
    ]


class SeriesVisit(Wire):
    """One visit of a series."""

    appointment_id: Annotated[UUID, Field(description="The visit.")]
    recurrence_id: Annotated[
        Instant | None, Field(description="UTC instant at which the series has it.")
    ]
    scheduled_start: Annotated[Instant, Field(description="UTC instant.")]
    scheduled_end: Annotated[Instant, Field(description="UTC instant.")]
    local_start: Annotated[
        Instant,
        Field(description="scheduled_start on the facility's clocks.", examples=[_LOCAL]),
    ]
    provider_id: Annotated[UUID, Field(description="With whom.")]
    status: Annotated[Status, Field(description="Where the visit stands.")]
    series_exception: Annotated[bool, Field(description="It was changed by itself.")]


class SeriesWithVisits(Series):
    """A series with its visits."""

    appointments: Annotated[list[SeriesVisit], Field(description="By start.")]
