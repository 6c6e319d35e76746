"""Wire shapes of visit types, rooms and equipment, and a clinic's rules of booking."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Instant, Line, Prose, Wire, Word

Kind = Literal["room", "equipment"]


class Requirement(Wire):
    """Rooms or equipment that every visit of a type takes besides people."""

    kind: Annotated[Kind, Field(description="Room or equipment.", examples=["room"])]
    category: Annotated[
        Word, Field(description="Any resource of this category will do.", examples=["infusion"])
    ]
    count: Annotated[int, Field(ge=1, le=10, description="How many of them.", examples=[1])] = 1


class VisitTypeWrite(Wire):
    """A kind of visit as a client writes it."""

    code: Annotated[
        Word,
        Field(
            description="What visits name as appointment_type; capitals count.",
            examples=["infusion"],
        ),
    ]
    name: Annotated[Line, Field(description="Name for people.", examples=["Infusion, 3 hours"])]
    description: Annotated[
        Prose | None, Field(description="What happens in it.", examples=["Rituximab day 1"])
    ] = None
    duration_minutes: Annotated[
        int,
        Field(
            ge=5,
            le=1440,
            description="Length in minutes; with both buffers a day at most.",
            examples=[180],
        ),
    ]
    buffer_before_minutes: Annotated[
        int,
        Field(
            ge=0,
            le=240,
            description="Minutes before the visit in which provider, rooms and equipment are"
            " taken as well, and the patient is not.",
            examples=[10],
        ),
    ] = 0
    buffer_after_minutes: Annotated[
        int,
        Field(ge=0, le=240, description="The same after the visit, in minutes.", examples=[15]),
    ] = 0
    min_notice_minutes: Annotated[
        int,
        Field(
            ge=0,
            le=525_600,
            description="Minutes before its start by which a visit must be booked.",
            examples=[1440],
        ),
    ] = 0
    horizon_days: Annotated[
        int,
        Field(ge=1, le=731, description="How many days ahead it can be booked.", examples=[365]),
    ] = 731
    requirements: Annotated[
        list[Requirement],
        Field(
            max_length=10,
            description="Rooms and equipment it takes; each kind and category once.",
            examples=[[{"kind": "room", "category": "infusion", "count": 1}]],
        ),
    ] = []
    is_active: Annotated[
        bool, Field(description="False keeps the record but takes no new visits.")
    ] = True


class VisitType(VisitTypeWrite):
    """A kind of visit as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    version: Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
    created_at: Annotated[Instant, Field(description="UTC instant of creation.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]


class ResourceWrite(Wire):
    """A room or a piece of equipment as a client writes it."""

    kind: Annotated[Kind, Field(description="Room or equipment.", examples=["room"])]
    facility_id: Annotated[UUID, Field(description="Where it is.")]
    name: Annotated[Line, Field(description="Name.", examples=["Infusion bay 2"])]
    category: Annotated[
        Word,
        Field(description="What visit types ask for; capitals count.", examples=["infusion"]),
    ]
    capacity: Annotated[
        int,
        Field(
            ge=1,
            le=100,
            description="How many visits it takes at once: 4 for a bay of four chairs.",
            examples=[4],
        ),
    ] = 1
    is_active: Annotated[
        bool, Field(description="False keeps the record but takes no new visits.")
    ] = True


class ResourceChange(ResourceWrite):
    """A room or a piece of equipment as a client changes it."""

    keep_visits: Annotated[
        bool,
        Field(
            description="With is_active false: although visits to come have it. They stay booked.",
            examples=[False],
        ),
    ] = False


class Resource(ResourceWrite):
    """A room or a piece of equipment as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    version: Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
    created_at: Annotated[Instant, Field(description="UTC instant of creation.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]


class SchedulingPolicyWrite(Wire):
    """A clinic's rules of booking as a client writes them: all of them, so that none is lost."""

    cancel_notice_minutes: Annotated[
        int,
        Field(
            ge=0,
            le=43_200,
            description="Minutes before its start until which a visit can be cancelled.",
            examples=[1440],
        ),
    ]
    reschedule_notice_minutes: Annotated[
        int,
        Field(
            ge=0,
            le=43_200,
            description="Minutes before its start until which a visit can be moved.",
            examples=[1440],
        ),
    ]
    max_reschedules: Annotated[
        Annotated[int, Field(ge=0, le=100)] | None,
        Field(description="How often one visit can be moved; null for any.", examples=[3]),
    ]
    overbooking_lanes: Annotated[
        int,
        Field(
            ge=0,
            le=10,
            description="How many visits staff may put beside one that a provider has already.",
            examples=[1],
        ),
    ]
    waitlist_offer_minutes: Annotated[
        int,
        Field(
            ge=15,
            le=1440,
            description="Minutes for which a free time is kept for one patient of the waitlist.",
            examples=[60],
        ),
    ]
    recall_return_days: Annotated[
        int,
        Field(
            ge=1,
            le=365,
            description="Days after a call within which a visit counts as a return.",
            examples=[15],
        ),
    ]
    calendar_details: Annotated[
        bool, Field(description="Whether calendars carry clinical detail.", examples=[False])
    ]


class SchedulingPolicy(SchedulingPolicyWrite):
    """A clinic's rules of booking as the API answers them."""

    version: Annotated[
        int, Field(description="Grows with each change; the ETag. 0: the defaults.", examples=[0])
    ]
    updated_at: Annotated[
        Instant | None, Field(description="UTC instant of the last change; null: never.")
    ]
