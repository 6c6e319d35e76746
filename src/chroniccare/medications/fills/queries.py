"""SQL of fills and of the supplies that they come to."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from chroniccare.medications.fills.model import Dispensed
from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Fill:
    """One fill; field order is the wire's. `version` is 2 once it is voided."""

    id: UUID
    medication_id: UUID
    filled_on: date
    days_supply: int
    quantity: float | None
    pharmacy: str | None
    kind: str
    source: str
    used_refill: bool
    voided_at: datetime | None
    created_at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class Medication:
    """What fills need of a medication; `time_zone` is where its patient lives."""

    id: UUID
    patient_id: UUID
    status: str
    as_needed: bool
    refills_remaining: int
    version: int
    time_zone: str


@dataclass(frozen=True, slots=True)
class Running:
    """A supply that runs, with what decides about messages; see `medication_supplies`."""

    medication_id: UUID
    patient_id: UUID
    fill_id: UUID
    filled_at: datetime
    run_out_on: date
    is_asked: bool
    is_wanted: bool
    refills_remaining: int
    time_zone: str


@dataclass(frozen=True, slots=True)
class Last:
    """The last fill of a medication that counts, and how it was kept."""

    fill_id: UUID
    filled_at: datetime


@dataclass(frozen=True, slots=True)
class Counted:
    """Quantities since the first fill; null where one of them was not recorded."""

    dispensed: float | None
    taken: float | None


_MEDICATION = (
    "SELECT m.id, m.patient_id, m.status, m.as_needed, m.refills_remaining, m.version,"
    " p.time_zone FROM medications m JOIN patients p ON p.tenant_id = m.tenant_id"
    " AND p.id = m.patient_id WHERE m.id = $1 AND p.deleted_at IS NULL"
)
MEDICATION = Query(Medication, _MEDICATION)
MEDICATION_FOR_UPDATE = Query(Medication, f"{_MEDICATION} FOR NO KEY UPDATE OF m")
SET_REFILLS = Command(
    "UPDATE medications SET refills_remaining = $2, version = version + 1, updated_at = $3"
    " WHERE id = $1"
)
_COLUMNS = (
    "f.id, f.medication_id, f.filled_on, f.days_supply, f.quantity::float8 AS quantity,"
    " f.pharmacy, f.kind, f.source, f.used_refill, f.voided_at, f.created_at,"
    " CASE WHEN f.voided_at IS NULL THEN 1 ELSE 2 END AS version"
)
INSERT = Query(
    Fill,
    "INSERT INTO medication_fills AS f (id, tenant_id, patient_id, medication_id, filled_on,"
    " days_supply, quantity, pharmacy, kind, source, used_refill, created_at)"
    " SELECT d.id, $2, d.patient_id, d.medication_id, d.filled_on, d.days_supply, d.quantity,"
    " d.pharmacy, d.kind, d.source, d.used_refill, $3 FROM jsonb_to_record($1::jsonb) AS d"
    " (id uuid, patient_id uuid, medication_id uuid, filled_on date, days_supply int,"
    " quantity numeric, pharmacy text, kind text, source text, used_refill boolean)"
    f" RETURNING {_COLUMNS}",
)
_FILL = f"SELECT {_COLUMNS} FROM medication_fills f WHERE f.medication_id = $1"
GET = Query(Fill, f"{_FILL} AND f.id = $2")
LIST = Query(
    Fill,
    f"{_FILL} AND ($2::date IS NULL OR (f.filled_on, f.id) < ($2, $3::uuid))"
    " ORDER BY f.filled_on DESC, f.id DESC LIMIT $4",
)
VOID = Query(
    Fill,
    "UPDATE medication_fills f SET voided_at = $2 WHERE f.id = $1 AND f.voided_at IS NULL"
    f" RETURNING {_COLUMNS}",
)
COUNTING = Query(
    Dispensed,
    "SELECT filled_on, days_supply FROM medication_fills WHERE medication_id = $1"
    " AND voided_at IS NULL",
)
LAST = Query(
    Last,
    "SELECT id AS fill_id, created_at AS filled_at FROM medication_fills WHERE medication_id = $1"
    " AND voided_at IS NULL ORDER BY filled_on DESC, id DESC LIMIT 1",
)
# Another fill is another supply: the prescriber may be asked again.
KEEP_SUPPLY = Command(
    "INSERT INTO medication_supplies AS s (tenant_id, medication_id, patient_id, fill_id,"
    " filled_at, run_out_on, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7)"
    " ON CONFLICT (tenant_id, medication_id) DO UPDATE SET fill_id = excluded.fill_id,"
    " filled_at = excluded.filled_at, run_out_on = excluded.run_out_on,"
    " asked_at = CASE WHEN s.fill_id = excluded.fill_id THEN s.asked_at END,"
    " updated_at = excluded.updated_at"
)
DROP_SUPPLY = Command("DELETE FROM medication_supplies WHERE medication_id = $1")
# `is_wanted`: it is taken by plan, and beyond the last day of the supply.
RUNNING = Query(
    Running,
    "SELECT s.medication_id, s.patient_id, s.fill_id, s.filled_at, s.run_out_on,"
    " s.asked_at IS NOT NULL AS is_asked, m.status = 'active' AND NOT m.as_needed"
    " AND (m.end_date IS NULL OR m.end_date > s.run_out_on) AS is_wanted, m.refills_remaining,"
    " p.time_zone FROM medication_supplies s JOIN medications m ON m.tenant_id = s.tenant_id"
    " AND m.id = s.medication_id JOIN patients p ON p.tenant_id = s.tenant_id"
    " AND p.id = s.patient_id WHERE s.medication_id = ANY ($1::uuid[])"
    " ORDER BY s.medication_id FOR UPDATE OF s SKIP LOCKED",
)
ENDING = Command(
    "SELECT medication_id FROM medication_supplies WHERE run_out_on BETWEEN $1 AND $2"
    " AND medication_id > $3 ORDER BY medication_id LIMIT $4"
)
ASKED = Command(
    "UPDATE medication_supplies SET asked_at = $2, updated_at = $2"
    " WHERE medication_id = ANY ($1::uuid[])"
)
COUNTED = Query(
    Counted,
    "SELECT CASE WHEN bool_and(f.quantity IS NOT NULL) THEN sum(f.quantity)::float8 END"
    " AS dispensed, (SELECT CASE WHEN bool_and(d.quantity IS NOT NULL)"
    " THEN sum(d.quantity)::float8 WHEN count(*) = 0 THEN 0 END FROM medication_doses d"
    " WHERE d.medication_id = $1 AND d.state = 'taken' AND d.local_date >= min(f.filled_on))"
    " AS taken FROM medication_fills f WHERE f.medication_id = $1 AND f.voided_at IS NULL",
)
