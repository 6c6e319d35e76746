"""/api/v1/appointments/availability and /api/v1/providers/{provider_id}/slots: free times.

Listed before api.py's router, so that `availability` is not taken for an appointment's id.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response, Security

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, errors
from chroniccare.core.fields import Day, Word
from chroniccare.core.paging import DEFAULT_LIMIT, MAX_LIMIT
from chroniccare.scheduling import rules as visit_rules
from chroniccare.scheduling.known import Wish
from chroniccare.scheduling.schemas import MAX_OTHERS, Priority
from chroniccare.scheduling.slots import actions, schemas
from chroniccare.tenancy.api import KeyFirst, answer, authorise

router = APIRouter(prefix="/api/v1", tags=["appointments"], route_class=KeyFirst)

AppointmentsRead = Annotated[Caller, Security(authorise, scopes=["appointments:read"])]

Providers = Annotated[
    list[UUID] | None,
    Query(
        max_length=actions.MAX_PROVIDERS,
        description=f"With whom; repeat it for up to {actions.MAX_PROVIDERS}."
        " Unless told, anybody.",
    ),
]
Facility = Annotated[UUID | None, Query(description="Where; unless told, at any facility.")]
Type = Annotated[
    Word | None, Query(description="Kind of visit; each provider has a length for it.")
]
Minutes = Annotated[
    int | None,
    Query(
        ge=visit_rules.MIN_MINUTES,
        le=visit_rules.MAX_MINUTES,
        description="Length in minutes; unless told, the provider's for the type, else 30.",
    ),
]
Patient = Annotated[UUID | None, Query(description="Whose own visits are kept clear of, too.")]
Others = Annotated[
    list[UUID] | None,
    Query(max_length=MAX_OTHERS, description="Who must be there as well; repeat it."),
]
Rooms = Annotated[
    list[UUID] | None,
    Query(
        max_length=MAX_OTHERS,
        description="Rooms and equipment that must be free; repeat it. What the type needs besides"
        " is looked for anyway.",
    ),
]
Urgency = Annotated[
    Priority,
    Query(description="`high` and `urgent` are offered times that are kept for them."),
]
FromDate = Annotated[
    Day | None, Query(description="First day, on the facility's clocks; unless told, today.")
]
ToDate = Annotated[
    Day | None,
    Query(
        description=f"Last day; {actions.MAX_DAYS} days in all at most."
        f" Unless told, {actions.DEFAULT_DAYS} days in all."
    ),
]
First = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many slots are enough.")]


@router.get(
    "/appointments/availability",
    summary="Find free times",
    response_model=Data[schemas.Slots],
    responses=errors(422),
)
async def find_slots(
    caller: AppointmentsRead,
    provider_id: Providers = None,
    facility_id: Facility = None,
    appointment_type: Type = None,
    duration_minutes: Minutes = None,
    patient_id: Patient = None,
    from_date: FromDate = None,
    to_date: ToDate = None,
    first: First = DEFAULT_LIMIT,
    additional_provider_id: Others = None,
    resource_id: Rooms = None,
    priority: Urgency = "normal",
) -> Response:
    """Answer the earliest free times, computed afresh; booking one decides whether it still is."""
    wish = Wish(
        provider_id or None, facility_id, appointment_type, duration_minutes, patient_id,
        from_date, to_date, first, additional_provider_id or (), resource_id or (), priority,
    )  # fmt: skip
    return answer(caller, wire.dumps({"slots": await actions.earliest(caller, wish)}))


@router.get(
    "/providers/{provider_id}/slots",
    summary="Find a provider's free times",
    response_model=Data[schemas.Slots],
    responses=errors(404, 422),
)
async def find_provider_slots(
    provider_id: UUID,
    caller: AppointmentsRead,
    facility_id: Facility = None,
    appointment_type: Type = None,
    duration_minutes: Minutes = None,
    patient_id: Patient = None,
    from_date: FromDate = None,
    to_date: ToDate = None,
    first: First = DEFAULT_LIMIT,
    additional_provider_id: Others = None,
    resource_id: Rooms = None,
    priority: Urgency = "normal",
) -> Response:
    """Answer the provider's earliest free times; their weekly rules are at `availability`."""
    wish = Wish(
        [provider_id], facility_id, appointment_type, duration_minutes, patient_id,
        from_date, to_date, first, additional_provider_id or (), resource_id or (), priority,
    )  # fmt: skip
    found = await actions.of_provider(caller, wish)
    return answer(caller, wire.dumps({"slots": found}))
