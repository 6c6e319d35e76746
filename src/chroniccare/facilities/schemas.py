"""Wire shapes of facilities."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from chroniccare.core.fields import (
    Address,
    ClockTime,
    ContactInfo,
    Instant,
    Line,
    WallTime,
    Wire,
    Word,
    ZoneName,
    distinct,
)


class OpenRange(Wire):
    """One range in which a facility is open, in its own time zone."""

    open: Annotated[WallTime, Field(description="Wall-clock time, 24 hours.", examples=["08:00"])]
    close: Annotated[
        ClockTime,
        Field(
            description="Wall-clock time; 24:00 is midnight. At or before `open` it lies on the"
            " next day.",
            examples=["17:00"],
        ),
    ]


_Ranges = Annotated[list[OpenRange], Field(max_length=10, description="Empty means closed.")]


class OperatingHours(Wire):
    """When a facility is open; a day that is missing is closed, and ranges must not overlap."""

    monday: _Ranges = []
    tuesday: _Ranges = []
    wednesday: _Ranges = []
    thursday: _Ranges = []
    friday: _Ranges = []
    saturday: _Ranges = []
    sunday: _Ranges = []


class FacilityWrite(Wire):
    """A facility as a client writes it."""

    name: Annotated[Line, Field(description="Name.", examples=["Riverside Diabetes Clinic"])]
    facility_type: Annotated[Word, Field(description="Kind of facility.", examples=["clinic"])]
    address: Annotated[
        Address, Field(description="Where it stands.", examples=[{"city": "Springfield"}])
    ]
    contact_info: Annotated[
        ContactInfo, Field(description="Phones, email addresses, postal address.")
    ] = ContactInfo()
    operating_hours: Annotated[
        OperatingHours,
        Field(
            description="Opening hours of each day of the week.",
            examples=[{"monday": [{"open": "08:00", "close": "17:00"}]}],
        ),
    ] = OperatingHours()
    capabilities: Annotated[
        list[Word],
        Field(max_length=100, description="What can be done here.", examples=[["dialysis", "lab"]]),
        AfterValidator(distinct),
    ] = []
    timezone: Annotated[
        ZoneName,
        Field(description="IANA zone of its wall clocks.", examples=["America/New_York"]),
    ]
    is_active: Annotated[
        bool, Field(description="False keeps the record but takes no new visits.")
    ] = True


class Facility(FacilityWrite):
    """A facility as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    version: Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
    created_at: Annotated[Instant, Field(description="UTC instant of creation.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]
