"""Wire shapes of doses and of the times of a day."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Day, Instant, WallTime, Wire

State = Literal[
    "planned", "due", "reminded", "taken", "skipped", "missed", "cancelled", "not_applicable"
]
Source = Literal["patient", "caregiver", "staff", "device", "inference"]


class Dose(Wire):
    """One dose of a medication that is taken at set times."""

    id: Annotated[
        UUID, Field(description="Worked out of medication, regimen, day and ordinal; it stays.")
    ]
    patient_id: Annotated[UUID, Field(description="Who takes it.")]
    medication_id: Annotated[UUID, Field(description="What is taken.")]
    medication_name: Annotated[str, Field(description="Its name.", examples=["Metformin"])]
    regimen_version: Annotated[int, Field(description="Regimen it follows from.", examples=[1])]
    local_date: Annotated[
        Day, Field(description="Day it belongs to, on the patient's calendar; a dose at bedtime"
                   " after midnight belongs to the day before.")
    ]  # fmt: skip
    ordinal: Annotated[int, Field(description="Tells it from others of the day.", examples=[0])]
    due_at: Annotated[Instant, Field(description="UTC instant at which it is due.")]
    late_at: Annotated[Instant, Field(description="UTC instant; taken after it is taken late.")]
    missed_at: Annotated[
        Instant, Field(description="UTC instant; without a report by then it counts as missed.")
    ]
    quantity: Annotated[
        float | None, Field(description="How much, in `unit`; null: not said.", examples=[1.0])
    ]
    unit: Annotated[str | None, Field(description="Unit of quantity.", examples=["tablet"])]
    state: Annotated[State, Field(description="What is known of it.")]
    source: Annotated[
        Source | None, Field(description="Who says so; `inference`: nobody does, it is inferred.")
    ]
    taken_at: Annotated[Instant | None, Field(description="UTC instant at which it was taken.")]
    reason: Annotated[
        str | None, Field(description="Why it was skipped, cancelled or set aside, as a code.")
    ]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]


class DosingTimesWrite(Wire):
    """When the events of a day are, on the wall; the day begins with waking up.

    What is null is as the clinic has it, or at the usual time.
    """

    wake: Annotated[WallTime | None, Field(description="Waking up.", examples=["07:00"])]
    breakfast: Annotated[
        WallTime | None,
        Field(description="Breakfast, the morning; not before waking up.", examples=["08:00"]),
    ]
    lunch: Annotated[WallTime | None, Field(description="Lunch, noon.", examples=["12:00"])]
    dinner: Annotated[
        WallTime | None, Field(description="Dinner, the evening.", examples=["18:00"])
    ]
    bed: Annotated[
        WallTime | None,
        Field(description="Going to bed, the night; may lie after midnight.", examples=["22:00"]),
    ]


class EffectiveTimes(Wire):
    """When the events of a day are, on the wall."""

    wake: Annotated[WallTime, Field(description="Waking up.", examples=["07:00"])]
    breakfast: Annotated[WallTime, Field(description="Breakfast.", examples=["08:00"])]
    lunch: Annotated[WallTime, Field(description="Lunch.", examples=["12:00"])]
    dinner: Annotated[WallTime, Field(description="Dinner.", examples=["18:00"])]
    bed: Annotated[WallTime, Field(description="Going to bed.", examples=["22:00"])]


class DosingTimes(Wire):
    """What was set, and what holds."""

    version: Annotated[
        int, Field(description="Grows with each change; the ETag. 0: nothing was set yet.")
    ]
    own: Annotated[
        DosingTimesWrite, Field(description="As set here; null: as the clinic has it, or usual.")
    ]
    effective: Annotated[EffectiveTimes, Field(description="What doses are anchored to.")]


class SetAside(Wire):
    """A time in which somebody else gives what a patient takes."""

    start: Annotated[
        Instant, Field(description="First instant.", examples=["2026-03-04T14:00:00Z"])
    ]
    end: Annotated[
        Instant,
        Field(
            description="Instant after it; no later than doses are planned ahead.",
            examples=["2026-03-06T14:00:00Z"],
        ),
    ]
    reason: Annotated[
        Literal["hospital", "care_facility", "other"], Field(description="Who gives it, as a code.")
    ] = "hospital"


class DosesSetAside(Wire):
    """What became of it."""

    count: Annotated[int, Field(description="Doses that do not apply any more.", examples=[4])]
