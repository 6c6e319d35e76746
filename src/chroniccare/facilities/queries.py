"""SQL of facilities."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.core import contact
from chroniccare.platform.postgres import Command, Query
from chroniccare.tenancy.queries_addresses import IN_CONTACT_INFO


@dataclass(frozen=True, slots=True)
class Facility:
    """One facility; field order is the wire's. `contact_info` includes the contact points."""

    id: UUID
    name: str
    facility_type: str
    address: dict[str, Any]
    contact_info: dict[str, Any]
    operating_hours: dict[str, list[dict[str, str]]]
    capabilities: list[str]
    timezone: str
    is_active: bool
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Use:
    """What still stands at a facility."""

    appointments: bool
    providers: bool


OPENS = (IN_CONTACT_INFO,)
_CONTACT_INFO = contact.info_sql("f", "facility_id")
_COLUMNS = (
    f"f.id, f.name, f.facility_type, f.address, {_CONTACT_INFO}, f.operating_hours,"
    " f.capabilities, f.timezone, f.is_active, f.version, f.created_at, f.updated_at"
)

GET = Query(
    Facility,
    f"SELECT {_COLUMNS} FROM facilities f WHERE f.id = $1 AND f.deleted_at IS NULL",
    OPENS,
)
GET_FOR_UPDATE = Query(Facility, GET.sql + " FOR NO KEY UPDATE OF f", OPENS)
# $3 and $4 are the ends of the range of the name's prefix.
LIST = Query(
    Facility,
    f"SELECT {_COLUMNS} FROM facilities f WHERE f.deleted_at IS NULL"
    " AND ($1::text IS NULL OR f.facility_type = $1)"
    " AND ($2::boolean IS NULL OR f.is_active = $2)"
    ' AND ($3::text IS NULL OR (f.name COLLATE "C" >= $3 AND f.name COLLATE "C" < $4::text))'
    ' AND ($5::text IS NULL OR (f.name COLLATE "C", f.id) > ($5, $6::uuid))'
    ' ORDER BY f.name COLLATE "C", f.id LIMIT $7',
    OPENS,
)
_DOCUMENT = (
    "jsonb_to_record($1::jsonb) AS d (id uuid, name text, facility_type text, address jsonb,"
    " contact_info jsonb, operating_hours jsonb, capabilities jsonb, timezone text,"
    " is_active boolean)"
)
INSERT = Command(
    "INSERT INTO facilities (id, tenant_id, name, facility_type, address, contact_info,"
    " operating_hours, capabilities, timezone, is_active, created_at, updated_at)"
    " SELECT d.id, $2, d.name, d.facility_type, d.address, d.contact_info, d.operating_hours,"
    f" d.capabilities, d.timezone, d.is_active, $3::timestamptz, $3 FROM {_DOCUMENT}"
)
UPDATE = Command(
    "UPDATE facilities f SET name = d.name, facility_type = d.facility_type, address = d.address,"
    " contact_info = d.contact_info, operating_hours = d.operating_hours,"
    " capabilities = d.capabilities, timezone = d.timezone, is_active = d.is_active,"
    f" version = f.version + 1, updated_at = $2 FROM {_DOCUMENT} WHERE f.id = d.id"
)
# No visit is longer than a day, so a range of starts bounds what can still be under way.
USE = Query(
    Use,
    "SELECT EXISTS (SELECT FROM appointments a WHERE a.facility_id = $1"
    " AND a.scheduled_start > $2::timestamptz - interval '24 hours' AND a.scheduled_end > $2"
    " AND a.status NOT IN ('completed', 'cancelled', 'no_show'))"
    " OR EXISTS (SELECT FROM group_sessions g WHERE g.facility_id = $1"
    " AND g.scheduled_start > $2 - interval '24 hours' AND g.scheduled_end > $2"
    " AND g.status = 'scheduled') AS appointments,"
    " EXISTS (SELECT FROM provider_facilities w JOIN providers p ON p.tenant_id = w.tenant_id"
    " AND p.id = w.provider_id AND p.deleted_at IS NULL WHERE w.facility_id = $1) AS providers",
)
DELETE = Command(
    "UPDATE facilities SET deleted_at = $2, updated_at = $2, is_active = false,"
    " version = version + 1 WHERE id = $1"
)
REPLACE_CONTACT_POINTS = Command(contact.replace_sql("facility_id"))
