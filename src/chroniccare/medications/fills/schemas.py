"""Wire shapes of fills and supplies."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Day, Instant, Line, Wire

Kind = Literal["first_fill", "refill", "emergency"]
Source = Literal["patient", "caregiver", "staff", "pharmacy"]
_DAYS = Field(ge=1, le=400, description="Days that it lasts as prescribed.", examples=[30])
_QUANTITY = Field(
    gt=0, le=99_999_999, description="How much was dispensed, in the unit of a dose.", examples=[60]
)
_KIND = Field(
    description="`refill` takes one of the refills; the first fill of a prescription takes none, "
    "nor does an emergency supply, which needs none to be left.",
    examples=["refill"],
)


class FillWrite(Wire):
    """What was dispensed, as a client records it."""

    filled_on: Annotated[
        Day,
        Field(description="Local day of the patient, not after today.", examples=["2026-11-20"]),
    ]
    days_supply: Annotated[int, _DAYS]
    quantity: Annotated[float | None, _QUANTITY] = None
    pharmacy: Annotated[Line | None, Field(description="Where.", examples=["Main St"])] = None
    kind: Annotated[Kind, _KIND] = "refill"
    source: Annotated[Source, Field(description="Who says so.", examples=["pharmacy"])] = "staff"


class Fill(Wire):
    """A fill as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    medication_id: Annotated[UUID, Field(description="What was dispensed.")]
    filled_on: Annotated[Day, Field(description="Local day of the patient.")]
    days_supply: Annotated[int, _DAYS]
    quantity: Annotated[float | None, _QUANTITY]
    pharmacy: Annotated[str | None, Field(description="Where.", examples=["Main St"])]
    kind: Annotated[Kind, _KIND]
    source: Annotated[Source, Field(description="Who says so.", examples=["pharmacy"])]
    used_refill: Annotated[bool, Field(description="One of the refills went on it.")]
    voided_at: Annotated[
        Instant | None,
        Field(description="UTC instant at which it was taken back; null: it counts."),
    ]
    created_at: Annotated[Instant, Field(description="UTC instant.")]
    version: Annotated[int, Field(description="The ETag: 1, or 2 once voided.", examples=[1])]


class Supply(Wire):
    """Until when a medication lasts."""

    medication_id: Annotated[UUID, Field(description="The medication.")]
    last_fill_id: Annotated[UUID | None, Field(description="Last fill that counts; null: none.")]
    run_out_on: Annotated[
        Day | None,
        Field(description="Last local day that the fills cover.", examples=["2026-12-19"]),
    ]
    days_left: Annotated[
        int, Field(description="Days that they still cover, from today on.", examples=[12])
    ]
    carried_days: Annotated[
        int, Field(description="Days that were left when the last fill came.", examples=[3])
    ]
    refills_remaining: Annotated[int, Field(description="Refills that are left.", examples=[2])]
    dispensed: Annotated[
        float | None,
        Field(description="Quantity of all fills; null: not of each is it known.", examples=[120]),
    ]
    taken: Annotated[
        float | None, Field(description="Quantity taken since the first fill.", examples=[96])
    ]
    left: Annotated[
        float | None,
        Field(description="The difference: more than the days say, if doses were missed.",
              examples=[24]),
    ]  # fmt: skip
