"""SQL of calendar feeds and of what they hold."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.notifications.queries_calendar import Entry
from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class CalendarFeed:
    """One feed; field order is the wire's."""

    id: UUID
    patient_id: UUID | None
    provider_id: UUID | None
    created_by: UUID | None
    last_read_at: datetime | None
    revoked_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Open:
    """A feed that may be read, and how; `details` is the clinic's choice."""

    patient_id: UUID | None
    provider_id: UUID | None
    last_read_at: datetime | None
    language: str | None
    details: bool


_COLUMNS = (
    "c.id, c.patient_id, c.provider_id, c.created_by, c.last_read_at, c.revoked_at, c.version,"
    " c.created_at, c.updated_at"
)
# $1 id, $2 tenant, $3 patient or provider, $4 who makes it, $5 now. Nothing for nobody.
_MADE = "SELECT $1::uuid AS id, $2::uuid AS tenant, id AS party FROM"
INSERT = {
    "patient_id": Query(
        CalendarFeed,
        f"WITH who AS ({_MADE} patients WHERE id = $3 AND deleted_at IS NULL FOR SHARE)"
        " INSERT INTO calendar_feeds AS c (id, tenant_id, patient_id, created_by, created_at,"
        " updated_at) SELECT id, tenant, party, $4, $5::timestamptz, $5 FROM who"
        f" RETURNING {_COLUMNS}",
    ),
    "provider_id": Query(
        CalendarFeed,
        f"WITH who AS ({_MADE} providers WHERE id = $3 AND deleted_at IS NULL FOR SHARE)"
        " INSERT INTO calendar_feeds AS c (id, tenant_id, provider_id, created_by, created_at,"
        " updated_at) SELECT id, tenant, party, $4, $5::timestamptz, $5 FROM who"
        f" RETURNING {_COLUMNS}",
    ),
}
GET = Query(CalendarFeed, f"SELECT {_COLUMNS} FROM calendar_feeds c WHERE c.id = $1")
GET_FOR_UPDATE = Query(CalendarFeed, GET.sql + " FOR UPDATE")
LIST = {
    "patient_id": Query(
        CalendarFeed,
        f"SELECT {_COLUMNS} FROM calendar_feeds c WHERE c.patient_id = $1"
        " AND ($2::uuid IS NULL OR c.id > $2) ORDER BY c.id LIMIT $3",
    ),
    "provider_id": Query(
        CalendarFeed,
        f"SELECT {_COLUMNS} FROM calendar_feeds c WHERE c.provider_id = $1"
        " AND ($2::uuid IS NULL OR c.id > $2) ORDER BY c.id LIMIT $3",
    ),
}
REVOKE = Query(
    CalendarFeed,
    "UPDATE calendar_feeds c SET revoked_at = $2, updated_at = $2, version = c.version + 1"
    f" WHERE c.id = $1 RETURNING {_COLUMNS}",
)
OPEN = Query(
    Open,
    "SELECT c.patient_id, c.provider_id, c.last_read_at, p.language,"
    " coalesce(s.calendar_details, false) AS details FROM calendar_feeds c"
    " JOIN tenants t ON t.id = c.tenant_id AND t.is_active"
    " LEFT JOIN scheduling_policies s ON s.tenant_id = c.tenant_id"
    " LEFT JOIN patients p ON p.tenant_id = c.tenant_id AND p.id = c.patient_id"
    " LEFT JOIN providers d ON d.tenant_id = c.tenant_id AND d.id = c.provider_id"
    " WHERE c.id = $1 AND c.revoked_at IS NULL"
    " AND (p.deleted_at IS NULL AND p.is_active OR d.deleted_at IS NULL AND d.is_active)",
)
NOTE_READ = Command("UPDATE calendar_feeds SET last_read_at = $2 WHERE id = $1")

# A hold that has ended is no visit any more, whether or not somebody has swept it up.
_STATUS = "CASE WHEN a.held_until <= $4 THEN 'cancelled' ELSE a.status END AS status"
_TYPE = (
    "LEFT JOIN visit_types k ON k.tenant_id = a.tenant_id"
    ' AND k.code = a.appointment_type COLLATE "C"'
)
_PLACE = "JOIN facilities f ON f.tenant_id = a.tenant_id AND f.id = a.facility_id"
_VISIT = (
    "SELECT a.id, a.scheduled_start AS starts_at, a.scheduled_end AS ends_at, f.timezone AS zone,"
    f" {_STATUS}, a.sequence, a.created_at, a.updated_at, f.name AS facility_name, f.address,"
    " coalesce(k.name, replace(a.appointment_type, '_', ' ')) AS kind,"
)
_INITIALS = "left(p.first_name, 1) || '.' || left(p.last_name, 1) || '.' AS who"
_WINDOW = "a.scheduled_start >= $2 AND a.scheduled_start < $3"
_OF_PROVIDER = (
    f"{_VISIT} {_INITIALS} FROM appointments a {_PLACE} {_TYPE}"
    " JOIN patients p ON p.tenant_id = a.tenant_id AND p.id = a.patient_id"
)
# $1 whose, $2 and $3 the window, $4 now, $5 how many.
VISITS_OF_PATIENT = Query(
    Entry,
    f"{_VISIT} d.first_name || ' ' || d.last_name AS who FROM appointments a {_PLACE} {_TYPE}"
    " JOIN providers d ON d.tenant_id = a.tenant_id AND d.id = a.provider_id"
    f" WHERE a.patient_id = $1 AND {_WINDOW} ORDER BY a.scheduled_start, a.id LIMIT $5",
)
# Their own visits; those they assist at, which occupancy tells (it may begin four hours early, with
# the room's preparation); and group sessions, each once and not once for every seat.
VISITS_OF_PROVIDER = Query(
    Entry,
    f"({_OF_PROVIDER} WHERE a.provider_id = $1 AND {_WINDOW} AND a.group_session_id IS NULL"
    " ORDER BY a.scheduled_start, a.id LIMIT $5) UNION ALL"
    f" ({_OF_PROVIDER} JOIN occupancy o ON o.tenant_id = a.tenant_id AND o.appointment_id = a.id"
    f" WHERE o.resource_id = $1 AND o.starts_at >= $2::timestamptz - interval '4 hours'"
    f" AND o.starts_at < $3 AND {_WINDOW} AND a.provider_id <> $1 AND a.group_session_id IS NULL"
    " ORDER BY a.scheduled_start, a.id LIMIT $5) UNION ALL"
    " (SELECT a.id, a.scheduled_start, a.scheduled_end, f.timezone, a.status, a.version,"
    " a.created_at, a.updated_at, f.name, f.address, a.title, ''"
    f" FROM group_sessions a {_PLACE} WHERE {_WINDOW}"
    " AND (a.provider_id = $1 OR $1 = ANY (a.additional_provider_ids))"
    " ORDER BY a.scheduled_start, a.id LIMIT $5) ORDER BY starts_at, id LIMIT $5",
)
