"""Wire shapes of group sessions and of the seats in them."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from chroniccare.core.fields import Document, Instant, Line, Prose, Wire, Word, distinct
from chroniccare.scheduling.schemas import MAX_OTHERS, Override, Priority

_START = "2026-12-01T09:00:00-05:00"


class GroupSessionWrite(Wire):
    """A group session as a client writes it."""

    title: Annotated[
        Line,
        Field(description="Name; no patient's.", examples=["Living with diabetes, evening 1"]),
    ]
    provider_id: Annotated[UUID, Field(description="Who leads it.")]
    facility_id: Annotated[UUID, Field(description="Where; the provider must work there.")]
    appointment_type: Annotated[
        Word, Field(description="Kind of visit that each seat is.", examples=["education"])
    ]
    scheduled_start: Annotated[
        Instant,
        Field(
            description="Instant with UTC offset; in the future, on a whole minute.",
            examples=[_START],
        ),
    ]
    duration_minutes: Annotated[
        int | None,
        Field(
            ge=5,
            le=1440,
            description="Length in minutes; unless told, the provider's for this type, else the"
            " type's, else 30.",
            examples=[90],
        ),
    ] = None
    seats: Annotated[
        int, Field(ge=1, le=500, description="How many patients can take part.", examples=[12])
    ]
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


class GroupSession(Wire):
    """A group session as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    title: Annotated[str, Field(description="Name.")]
    provider_id: Annotated[UUID, Field(description="Who leads it.")]
    facility_id: Annotated[UUID, Field(description="Where.")]
    appointment_type: Annotated[str, Field(description="Kind of visit that each seat is.")]
    scheduled_start: Annotated[Instant, Field(description="UTC instant.")]
    scheduled_end: Annotated[Instant, Field(description="UTC instant.")]
    duration_minutes: Annotated[int, Field(description="Length in minutes.", examples=[90])]
    buffer_before_minutes: Annotated[
        int, Field(description="Minutes that all but the patients are kept free before.")
    ]
    buffer_after_minutes: Annotated[int, Field(description="The same after.")]
    seats: Annotated[int, Field(description="How many patients can take part.", examples=[12])]
    seats_taken: Annotated[
        int,
        Field(description="How many do, as of this answer; no version counts them.", examples=[3]),
    ]
    additional_provider_ids: Annotated[list[UUID], Field(description="Who else must be there.")]
    resource_ids: Annotated[list[UUID], Field(description="Rooms and equipment it takes.")]
    status: Annotated[
        Literal["scheduled", "cancelled"], Field(description="Whether it takes place.")
    ]
    override: Annotated[Override | None, Field(description="Rules set aside, and why.")]
    cancelled_at: Annotated[Instant | None, Field(description="UTC instant of cancellation.")]
    cancellation_reason: Annotated[str | None, Field(description="Why it was cancelled.")]
    version: Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
    created_at: Annotated[Instant, Field(description="UTC instant of creation.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]


class SeatWrite(Wire):
    """A patient's seat in a group session as a client books it."""

    patient_id: Annotated[UUID, Field(description="Whom the seat is for.")]
    priority: Annotated[Priority, Field(description="Urgency.", examples=["normal"])] = "normal"
    reason: Annotated[
        Prose | None, Field(description="Why the patient comes.", examples=["New diagnosis"])
    ] = None
    special_requirements: Annotated[
        Document, Field(description="What must be at hand.", examples=[{"interpreter": "es"}])
    ] = {}
    pre_appointment_instructions: Annotated[
        Document, Field(description="What to do before.", examples=[{"bring": "glucose meter"}])
    ] = {}
    telehealth_details: Annotated[
        Document | None, Field(description="How to join from afar.", examples=[None])
    ] = None
    insurance_verified: Annotated[
        bool, Field(description="Coverage has been checked.", examples=[False])
    ] = False
