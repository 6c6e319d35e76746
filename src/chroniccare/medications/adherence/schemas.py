"""Wire shapes of adherence: reports about doses, and the figures that come of them."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Day, Instant, Prose, Wire
from chroniccare.medications.adherence.words import (
    Observer,
    Reason,
    SkipReason,
    Source,
    Status,
)

Interval = Literal["day", "week"]
Sort = Literal["rate", "since", "name", "medication", "threshold", "reason", "escalated"]
Order = Literal["asc", "desc"]
WhyNot = Literal[
    "nothing_observed", "no_doses_due", "no_fills", "one_fill", "too_short"
]  # fmt: skip


class ReportWrite(Wire):
    """What somebody says about a dose: which one, and what became of it."""

    dose_id: Annotated[
        UUID | None, Field(description="The planned dose; null for what is taken as needed.")
    ] = None
    scheduled_time: Annotated[
        Instant | None,
        Field(
            description="In place of dose_id: when it was due, or near it. UTC instant.",
            examples=["2026-11-29T13:00:00Z"],
        ),
    ] = None
    status: Annotated[
        Status | None,
        Field(description="What became of it; unless told, was_taken says so.", examples=["taken"]),
    ] = None
    was_taken: Annotated[
        bool | None,
        Field(
            description="In place of status: false is `skipped` with a reason, else `missed`.",
            examples=[True],
        ),
    ] = None
    taken_at: Annotated[
        Instant | None,
        Field(
            description="UTC instant at which it was taken; unless told, now.",
            examples=["2026-11-29T13:05:00Z"],
        ),
    ] = None
    reason: Annotated[
        SkipReason | None,
        Field(description="Why it was skipped; with `skipped` alone.", examples=[None]),
    ] = None
    source: Annotated[Observer, Field(description="Who says so.", examples=["patient"])] = "patient"
    notes: Annotated[Prose | None, Field(description="In words.", examples=["With breakfast"])] = (
        None
    )


class Report(Wire):
    """One report about a dose; none is ever changed, a later one may correct it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    medication_id: Annotated[UUID, Field(description="Of which medication.")]
    patient_id: Annotated[UUID, Field(description="Whose.")]
    dose_id: Annotated[UUID | None, Field(description="The dose; null: taken as needed.")]
    scheduled_time: Annotated[
        Instant, Field(description="When it was due; as needed: when it was taken. UTC instant.")
    ]
    taken_at: Annotated[Instant | None, Field(description="When it was taken, UTC instant.")]
    was_taken: Annotated[bool | None, Field(description="Whether it was taken.")]
    status: Annotated[Status, Field(description="What became of it.")]
    reason: Annotated[SkipReason | None, Field(description="Why it was skipped.")]
    source: Annotated[Source, Field(description="Who says so; `inference`: nobody did in time.")]
    late: Annotated[
        bool | None, Field(description="Taken after its window; null: not taken, or not planned.")
    ]
    corrects_id: Annotated[UUID | None, Field(description="The report that this one replaces.")]
    replaced: Annotated[bool, Field(description="A later report replaces this one.")]
    notes: Annotated[str | None, Field(description="In words.")]
    created_at: Annotated[Instant, Field(description="UTC instant at which it was written.")]


class Reported(Report):
    """A report that was just made."""

    warnings: Annotated[
        list[str],
        Field(description="What speaks against it as codes; the report stands all the same."),
    ]


class Measure(Wire):
    """A figure, what it is made of, and how much of what was due somebody saw."""

    value: Annotated[
        float | None,
        Field(description="Percent with one decimal, or days; null: `reason` says why."),
    ]
    numerator: Annotated[int, Field(description="How many of them.", examples=[270])]
    denominator: Annotated[int, Field(description="Of how many.", examples=[282])]
    coverage: Annotated[
        float | None,
        Field(description="Percent of the due doses that somebody reported on; null: none was."),
    ]
    reason: Annotated[WhyNot | None, Field(description="Why there is no value.")]


class Measures(Wire):
    """The figures of one medication, or of several together."""

    doses_taken: Annotated[Measure, Field(description="Taken, percent of the observed doses.")]
    doses_taken_at_least: Annotated[
        Measure, Field(description="Taken, percent of all due, as if silence meant missed.")
    ]
    on_time: Annotated[Measure, Field(description="Taken in time, percent of the observed.")]
    missed_observed: Annotated[
        Measure, Field(description="Missed as somebody said, percent of the due doses.")
    ]
    missed_inferred: Annotated[
        Measure, Field(description="Of which nobody said anything in time, percent of the due.")
    ]
    streak_current: Annotated[
        Measure, Field(description="Days in a row, to the last, with every due dose taken.")
    ]
    streak_longest: Annotated[Measure, Field(description="Most such days in a row.")]
    longest_gap: Annotated[
        Measure, Field(description="Most days in a row with doses due and none taken.")
    ]
    pdc: Annotated[Measure, Field(description="Proportion of days covered by fills, percent.")]
    mpr: Annotated[
        Measure, Field(description="Medication possession ratio, percent; it may pass 100.")
    ]


class Low(Wire):
    """An episode of low adherence that is open."""

    since: Annotated[Instant, Field(description="UTC instant at which it began.")]
    reason: Annotated[Reason, Field(description="Why it began.")]


class LowNow(Wire):
    """A patient's medication whose adherence is low now."""

    id: Annotated[UUID, Field(description="The episode.")]
    patient_id: Annotated[UUID, Field(description="Whose.")]
    mrn: Annotated[str, Field(description="Medical record number.", examples=["MRN-1042"])]
    first_name: Annotated[str, Field(description="Given name.", examples=["Maria"])]
    last_name: Annotated[str, Field(description="Family name.", examples=["Gonzalez"])]
    medication_id: Annotated[UUID, Field(description="Which medication.")]
    medication_name: Annotated[str, Field(description="Its name.", examples=["Metformin"])]
    reason: Annotated[Reason, Field(description="Why the episode began.")]
    escalated: Annotated[
        int, Field(ge=0, le=2, description="1: caregivers were told, 2: the care team, too.")
    ]
    since: Annotated[Instant, Field(description="UTC instant at which it began.")]
    threshold: Annotated[int, Field(description="Low is less than this, percent.", examples=[80])]
    taken: Annotated[int, Field(ge=0, description="Doses taken in 30 days.", examples=[31])]
    observed: Annotated[int, Field(ge=0, description="Of so many observed.", examples=[58])]
    percent: Annotated[float | None, Field(description="The same in percent; null: none observed.")]


class OfMedication(Wire):
    """One medication's part of a report."""

    medication_id: Annotated[UUID, Field(description="Which medication.")]
    medication_name: Annotated[str, Field(description="Its name.", examples=["Metformin"])]
    drug_class: Annotated[str | None, Field(description="Its class, if that is known.")]
    status: Annotated[str, Field(description="Of the prescription.", examples=["active"])]
    as_needed: Annotated[bool, Field(description="Taken as needed: no dose is ever due.")]
    threshold: Annotated[int, Field(description="Adherence is low below, percent.", examples=[80])]
    low: Annotated[Low | None, Field(description="Its adherence is low now.")]
    measures: Annotated[Measures, Field(description="Its figures.")]


class OfClass(Wire):
    """Days on which at least one drug of a class covered the patient."""

    drug_class: Annotated[str, Field(description="The class.", examples=["statin"])]
    pdc: Annotated[Measure, Field(description="Proportion of days covered, percent.")]


class Point(Wire):
    """One day or week of the trend; a week stands under its Monday."""

    start: Annotated[Day, Field(description="Local day with which it begins.")]
    taken: Annotated[int, Field(description="Doses taken, late ones included.")]
    late: Annotated[int, Field(description="Of these, late.")]
    skipped: Annotated[int, Field(description="Skipped.")]
    excused: Annotated[int, Field(description="Not to be taken: they count neither way.")]
    missed_observed: Annotated[int, Field(description="Missed as somebody said.")]
    missed_inferred: Annotated[int, Field(description="Of which nobody said anything.")]
    percent: Annotated[
        float | None, Field(description="Taken, of the observed; null: none was observed.")
    ]


class Adherence(Wire):
    """How a patient's medications went over some days."""

    patient_id: Annotated[UUID, Field(description="Whose.")]
    time_zone: Annotated[str, Field(description="In which the days are days.")]
    from_date: Annotated[Day, Field(description="First local day.")]
    to_date: Annotated[Day, Field(description="Last local day.")]
    interval: Annotated[Interval, Field(description="Of the trend.")]
    overall: Annotated[Measures, Field(description="All medications together.")]
    medications: Annotated[list[OfMedication], Field(description="Each with doses or fills.")]
    classes: Annotated[list[OfClass], Field(description="Classes of drugs with fills.")]
    trend: Annotated[list[Point], Field(description="What became of doses, the first day first.")]


class Rate(Wire):
    """How a medication went in the last 30 days."""

    medication_id: Annotated[UUID, Field(description="Which medication.")]
    window_days: Annotated[int, Field(description="Days of 24 hours.", examples=[30])]
    as_of: Annotated[Instant, Field(description="UTC instant; at most an hour ago.")]
    rate: Annotated[Measure, Field(description="Taken, percent of the observed doses.")]
