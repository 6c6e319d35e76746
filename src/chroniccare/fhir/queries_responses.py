"""SQL of the answers of patients to their visits; as in `queries`, of the record whose id is $1."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.fhir.queries import ONE
from chroniccare.platform.postgres import Query


@dataclass(frozen=True, slots=True)
class ResponseRow:
    """What a patient says of a visit; the id is the visit's.

    Attributes:
        participant_status: of FHIR: accepted, declined, tentative or needs-action.
        version: twice the visit's, and one more while staff look for another time.
    """

    id: UUID
    patient_id: UUID
    scheduled_start: datetime
    scheduled_end: datetime
    participant_status: str
    version: int
    updated_at: datetime
    keys: list[Any]


_CHANGING = (
    "EXISTS (SELECT FROM tasks t WHERE t.tenant_id = a.tenant_id"
    " AND t.dedupe_key = 'change:' || a.id::text AND t.status IN ('requested', 'in-progress'))"
)
STATUS = (
    "CASE WHEN a.status = 'cancelled' THEN 'declined' WHEN a.status = 'held' THEN 'tentative'"
    f" WHEN a.status IN ('scheduled', 'confirmed') AND {_CHANGING} THEN 'tentative'"
    " WHEN a.status = 'scheduled' THEN 'needs-action' ELSE 'accepted' END"
)
RESPONSE = Query(
    ResponseRow,
    "SELECT a.id, a.patient_id, a.scheduled_start, a.scheduled_end,"
    f" {STATUS} AS participant_status,"
    f" a.version * 2 + (a.status IN ('scheduled', 'confirmed') AND {_CHANGING})::int AS version,"
    f" a.updated_at, page.keys FROM {ONE} JOIN appointments a ON a.id = page.id",
)
