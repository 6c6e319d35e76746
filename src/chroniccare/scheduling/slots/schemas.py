"""Wire shapes of free times."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Instant, Wire

_START = "2026-12-01T09:00:00-05:00"


class Slot(Wire):
    """A time at which a visit can be booked."""

    provider_id: Annotated[UUID, Field(description="With whom.")]
    facility_id: Annotated[UUID, Field(description="Where.")]
    start: Annotated[Instant, Field(description="UTC instant; book it as scheduled_start.")]
    end: Annotated[Instant, Field(description="UTC instant.")]
    local_start: Annotated[
        Instant, Field(description="`start` on the facility's clocks.", examples=[_START])
    ]
    local_end: Annotated[Instant, Field(description="`end` on the facility's clocks.")]
    time_zone: Annotated[
        str, Field(description="The facility's IANA zone.", examples=["America/New_York"])
    ]
    duration_minutes: Annotated[int, Field(description="Length in minutes.", examples=[30])]


class Slots(Wire):
    """The earliest free times."""

    slots: Annotated[list[Slot], Field(description="By start, then provider and facility.")]
