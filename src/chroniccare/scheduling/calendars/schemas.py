"""Wire shapes of calendar feeds."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Instant, Wire


class CalendarFeed(Wire):
    """A calendar that somebody subscribes to."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    patient_id: Annotated[UUID | None, Field(description="Whose visits, if a patient's.")]
    provider_id: Annotated[UUID | None, Field(description="Whose visits, if a provider's.")]
    created_by: Annotated[UUID | None, Field(description="API key that made it.")]
    last_read_at: Annotated[
        Instant | None, Field(description="UTC hour in which it was last read; null: never.")
    ]
    revoked_at: Annotated[
        Instant | None, Field(description="UTC instant from which it cannot be read any more.")
    ]
    version: Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
    created_at: Annotated[Instant, Field(description="UTC instant of creation.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]


class NewCalendarFeed(CalendarFeed):
    """A calendar feed with its address, which is shown this once."""

    url: Annotated[
        str,
        Field(
            description="What the calendar subscribes to. Whoever knows it can read the calendar.",
            examples=["https://api.clinic.example/calendars/AZ...Q.ics"],
        ),
    ]
