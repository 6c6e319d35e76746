"""Wire shapes of home readings."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Instant, Wire
from chroniccare.fhir.readings.rules import Kind


class Reading(Wire):
    """One reading: a stored Observation in figures."""

    id: Annotated[UUID, Field(description="The Observation.")]
    kind: Annotated[Kind, Field(description="What was measured.", examples=["blood_pressure"])]
    taken_at: Annotated[Instant, Field(description="UTC instant at which it was measured.")]
    value: Annotated[
        float, Field(description="In `unit`; of a blood pressure the systolic.", examples=[128.0])
    ]
    diastolic: Annotated[
        float | None, Field(description="Of a blood pressure alone.", examples=[82.0])
    ]
    unit: Annotated[str, Field(description="`mmHg`, `mg/dL`, `kg` or `/min`.", examples=["mmHg"])]
