"""SQL of the waitlist: entries, times that became free, offers."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query

# --- entries ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """One patient's wish; field order is the wire's."""

    id: UUID
    patient_id: UUID
    provider_id: UUID | None
    facility_id: UUID | None
    appointment_type: str | None
    duration_minutes: int | None
    appointment_id: UUID | None
    earliest: date | None
    latest: date | None
    due_on: date | None
    days: list[str]
    starts_from: str | None
    starts_before: str | None
    priority: str
    notes: str | None
    status: str
    booked_appointment_id: UUID | None
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Parties:
    """Whether what an entry names can be waited for: None for what there is not.

    Attributes:
        works_there: the provider works at the facility.
        visit_patient: whose the later visit is.
        visit_bookable: it is booked, to come, and no seat in a group session.
    """

    patient: bool | None
    provider: bool | None
    facility: bool | None
    type_: bool | None
    works_there: bool
    visit_patient: UUID | None
    visit_bookable: bool | None
    visit_type: str | None
    visit_minutes: int | None


_NAMES = (
    "id patient_id provider_id facility_id appointment_type duration_minutes appointment_id"
    " earliest latest due_on days starts_from starts_before priority notes status"
    " booked_appointment_id version created_at updated_at"
)
_COLUMNS = ", ".join(f"w.{name}" for name in _NAMES.split())
_WRITTEN = (
    "provider_id facility_id appointment_type duration_minutes appointment_id earliest latest"
    " due_on days starts_from starts_before priority notes"
)
_INSERTED = f"id patient_id {_WRITTEN}".replace(" ", ", ")
_INSERTED_FROM = ", ".join(f"d.{name}" for name in _INSERTED.split(", "))
_SET = ", ".join(f"{name} = d.{name}" for name in _WRITTEN.split())
_DOCUMENT = (
    "jsonb_to_record($1::jsonb) AS d (id uuid, patient_id uuid, provider_id uuid, facility_id uuid,"
    " appointment_type text, duration_minutes int, appointment_id uuid, earliest date, latest date,"
    " due_on date, days text[], starts_from text, starts_before text, priority text, notes text)"
)
INSERT = Query(
    Entry,
    f"INSERT INTO waitlist AS w (tenant_id, {_INSERTED}, created_at, updated_at)"
    f" SELECT $2, {_INSERTED_FROM}, $3::timestamptz, $3 FROM {_DOCUMENT} RETURNING {_COLUMNS}",
)
UPDATE = Query(
    Entry,
    f"UPDATE waitlist w SET {_SET}, version = w.version + 1, updated_at = $2"
    f" FROM {_DOCUMENT} WHERE w.id = d.id RETURNING {_COLUMNS}",
)
ENTER = Query(
    Entry,
    "UPDATE waitlist w SET status = $2, booked_appointment_id = $3, version = w.version + 1,"
    f" updated_at = $4 WHERE w.id = $1 RETURNING {_COLUMNS}",
)
GET = Query(Entry, f"SELECT {_COLUMNS} FROM waitlist w WHERE w.id = $1")
GET_FOR_UPDATE = Query(Entry, GET.sql + " FOR NO KEY UPDATE")
LIST = Query(
    Entry,
    f"SELECT {_COLUMNS} FROM waitlist w WHERE ($1::text IS NULL OR w.status = $1)"
    " AND ($2::uuid IS NULL OR w.patient_id = $2) AND ($3::uuid IS NULL OR w.provider_id = $3)"
    " AND ($4::uuid IS NULL OR w.facility_id = $4) AND ($5::smallint IS NULL"
    " OR (w.urgency, w.due_order, w.created_at, w.id) > ($5, $6::date, $7::timestamptz, $8::uuid))"
    " ORDER BY w.urgency, w.due_order, w.created_at, w.id LIMIT $9",
)
# $1 patient, $2 provider, $3 facility, $4 type, $5 the later visit, $6 now.
PARTIES = Query(
    Parties,
    "SELECT (SELECT is_active AND treatment_status <> 'deceased' FROM patients WHERE id = $1"
    " AND deleted_at IS NULL) AS patient,"
    " (SELECT is_active FROM providers WHERE id = $2 AND deleted_at IS NULL) AS provider,"
    " (SELECT is_active FROM facilities WHERE id = $3 AND deleted_at IS NULL) AS facility,"
    ' (SELECT is_active FROM visit_types WHERE code = $4::text COLLATE "C") AS type_,'
    " ($2::uuid IS NULL OR $3::uuid IS NULL OR EXISTS (SELECT FROM provider_facilities"
    " WHERE provider_id = $2 AND facility_id = $3)) AS works_there,"
    " v.patient_id AS visit_patient, v.status IN ('scheduled', 'confirmed')"
    " AND v.scheduled_start > $6::timestamptz AND v.group_session_id IS NULL AS visit_bookable,"
    " v.appointment_type AS visit_type, v.duration_minutes AS visit_minutes"
    " FROM (SELECT) AS one LEFT JOIN appointments v ON v.id = $5::uuid",
)
# Entries that have lost their point: the patient has gone, the visit to move up is not booked any
# more, or it has begun or the last day is over everywhere ($2). What somebody is changing waits.
CLOSE_MOOT = Query(
    Entry,
    "WITH due AS (SELECT w.id, CASE WHEN p.deleted_at IS NOT NULL OR NOT p.is_active"
    " OR p.treatment_status = 'deceased' OR v.status NOT IN ('scheduled', 'confirmed')"
    " THEN 'removed' ELSE 'expired' END AS status FROM waitlist w"
    " JOIN patients p ON p.tenant_id = w.tenant_id AND p.id = w.patient_id"
    " LEFT JOIN appointments v ON v.tenant_id = w.tenant_id AND v.id = w.appointment_id"
    " WHERE w.status = 'waiting' AND (w.latest < $2::date OR p.deleted_at IS NOT NULL"
    " OR NOT p.is_active OR p.treatment_status = 'deceased'"
    " OR v.status NOT IN ('scheduled', 'confirmed') OR v.scheduled_start <= $1)"
    " ORDER BY w.id LIMIT $3 FOR NO KEY UPDATE OF w SKIP LOCKED)"
    " UPDATE waitlist w SET status = due.status, version = w.version + 1, updated_at = $1"
    f" FROM due WHERE w.id = due.id RETURNING {_COLUMNS}",
)


@dataclass(frozen=True, slots=True)
class OwnVisit:
    """A visit that was booked for a patient who waits, after they began to."""

    entry: UUID
    appointment_id: UUID
    provider_id: UUID
    facility_id: UUID
    appointment_type: str
    scheduled_start: datetime
    duration_minutes: int
    zone: str


OWN_VISITS = Query(
    OwnVisit,
    "SELECT w.id AS entry, a.id AS appointment_id, a.provider_id, a.facility_id,"
    " a.appointment_type, a.scheduled_start, a.duration_minutes, f.timezone AS zone"
    " FROM waitlist w JOIN appointments a ON a.tenant_id = w.tenant_id"
    " AND a.patient_id = w.patient_id AND a.scheduled_start > $1"
    " AND (a.created_at, a.id) > (w.created_at, w.id)"
    " AND a.status IN ('scheduled', 'confirmed')"
    " JOIN facilities f ON f.tenant_id = a.tenant_id AND f.id = a.facility_id"
    " WHERE w.status = 'waiting' AND w.appointment_id IS NULL ORDER BY a.scheduled_start, a.id",
)
THESE_WAITING = Query(
    Entry,
    f"SELECT {_COLUMNS} FROM waitlist w WHERE w.id = ANY($1::uuid[]) AND w.status = 'waiting'"
    " ORDER BY w.id FOR NO KEY UPDATE SKIP LOCKED",
)

# --- times that became free -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opening:
    """A time that became free; `zone` is the facility's."""

    id: UUID
    provider_id: UUID
    facility_id: UUID
    appointment_type: str
    starts_at: datetime
    duration_minutes: int
    zone: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that may take an opening; `before` is the start of the visit it would move up."""

    id: UUID
    patient_id: UUID
    provider_id: UUID | None
    facility_id: UUID | None
    appointment_type: str | None
    minutes: int | None
    earliest: date | None
    latest: date | None
    days: list[str]
    starts_from: str | None
    starts_before: str | None
    before: datetime | None
    priority: str
    due_on: date | None
    created_at: datetime


DUE = Command(
    "SELECT id FROM waitlist_openings WHERE next_attempt_at <= $1 ORDER BY next_attempt_at, id"
    " LIMIT $2"
)
# Whoever holds the row is at work on it; nobody waits for them.
CLAIM = Query(
    Opening,
    "SELECT o.id, o.provider_id, o.facility_id, o.appointment_type, o.starts_at,"
    " o.duration_minutes, f.timezone AS zone FROM waitlist_openings o"
    " JOIN facilities f ON f.tenant_id = o.tenant_id AND f.id = o.facility_id"
    " WHERE o.id = $1 AND o.next_attempt_at <= $2 FOR UPDATE OF o SKIP LOCKED",
)
DONE = Command("DELETE FROM waitlist_openings WHERE id = $1")
POSTPONE = Command("UPDATE waitlist_openings SET next_attempt_at = $2 WHERE id = $1")
# Nobody is offered the same time twice.
CANDIDATES = Query(
    Candidate,
    "SELECT w.id, w.patient_id, w.provider_id, w.facility_id, w.appointment_type,"
    " w.duration_minutes AS minutes, w.earliest, w.latest, w.days, w.starts_from, w.starts_before,"
    " v.scheduled_start AS before, w.priority, w.due_on, w.created_at FROM waitlist w"
    " LEFT JOIN appointments v ON v.tenant_id = w.tenant_id AND v.id = w.appointment_id"
    " WHERE w.status = 'waiting' AND (w.provider_id IS NULL OR w.provider_id = $1)"
    " AND (w.facility_id IS NULL OR w.facility_id = $2)"
    " AND (w.appointment_type IS NULL OR w.appointment_type = $3)"
    " AND (w.appointment_id IS NULL OR v.status IN ('scheduled', 'confirmed'))"
    " AND NOT EXISTS (SELECT FROM waitlist_offers o WHERE o.tenant_id = w.tenant_id"
    " AND o.entry_id = w.id AND o.provider_id = $1 AND o.scheduled_start = $4)",
)
OFFER_MINUTES = Command("SELECT waitlist_offer_minutes FROM scheduling_policies")

# --- offers -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offer:
    """One time, kept for one patient; field order is the wire's."""

    id: UUID
    entry_id: UUID
    appointment_id: UUID
    provider_id: UUID
    facility_id: UUID
    scheduled_start: datetime
    scheduled_end: datetime
    offered_at: datetime
    expires_at: datetime
    outcome: str
    settled_at: datetime | None
    version: int


_OFFER = (
    "o.id, o.entry_id, o.appointment_id, o.provider_id, o.facility_id, o.scheduled_start,"
    " o.scheduled_end, o.offered_at, o.expires_at, o.outcome, o.settled_at, o.version"
)
INSERT_OFFER = Query(
    Offer,
    "INSERT INTO waitlist_offers AS o (id, tenant_id, entry_id, opening_id, appointment_id,"
    " provider_id, facility_id, scheduled_start, scheduled_end, offered_at, expires_at)"
    " SELECT $1, a.tenant_id, $2, $3, a.id, a.provider_id, a.facility_id, a.scheduled_start,"
    " a.scheduled_end, $5, a.held_until FROM appointments a WHERE a.id = $4"
    f" RETURNING {_OFFER}",
)
GET_OFFER = Query(Offer, f"SELECT {_OFFER} FROM waitlist_offers o WHERE o.id = $1")
GET_OFFER_FOR_UPDATE = Query(Offer, GET_OFFER.sql + " FOR UPDATE")
OPEN_OFFER = Query(
    Offer,
    f"SELECT {_OFFER} FROM waitlist_offers o WHERE o.entry_id = $1 AND o.outcome = 'open'"
    " FOR UPDATE",
)
LIST_OFFERS = Query(
    Offer,
    f"SELECT {_OFFER} FROM waitlist_offers o WHERE o.entry_id = $1"
    " AND ($2::timestamptz IS NULL OR (o.offered_at, o.id) < ($2, $3::uuid))"
    " ORDER BY o.offered_at DESC, o.id DESC LIMIT $4",
)
SETTLE = Query(
    Offer,
    "UPDATE waitlist_offers o SET outcome = $2, settled_at = $3, version = o.version + 1"
    f" WHERE o.id = $1 RETURNING {_OFFER}",
)
# Offers that are over, though nobody said so: the time has passed, or staff have cancelled or
# booked the visit that holds it.
OVERDUE_ENTRIES = Command(
    "SELECT o.entry_id FROM waitlist_offers o"
    " JOIN appointments a ON a.tenant_id = o.tenant_id AND a.id = o.appointment_id"
    " WHERE o.outcome = 'open' AND (o.expires_at <= $1 OR a.status <> 'held')"
    " ORDER BY o.expires_at, o.id LIMIT $2"
)
LOCK_ENTRY = Query(Entry, GET.sql + " FOR NO KEY UPDATE SKIP LOCKED")


@dataclass(frozen=True, slots=True)
class Shown:
    """What the patient is shown of an offer; `zone` is the facility's.

    `is_gone`: the patient was erased or removed, and `born` says nothing.
    """

    outcome: str
    scheduled_start: datetime
    expires_at: datetime
    place: str
    zone: str
    language: str
    patient_id: UUID
    born: date
    is_gone: bool


# $2 now: an offer is over at its end, whether or not somebody has settled it.
SHOWN = Query(
    Shown,
    "SELECT CASE WHEN o.outcome = 'open' AND (o.expires_at <= $2::timestamptz"
    " OR a.status NOT IN ('held', 'scheduled', 'confirmed')) THEN 'expired' ELSE o.outcome END"
    " AS outcome, a.scheduled_start, o.expires_at, f.name AS place, f.timezone AS zone, p.language,"
    " p.id AS patient_id, p.date_of_birth AS born, p.deleted_at IS NOT NULL AS is_gone"
    " FROM waitlist_offers o JOIN tenants t ON t.id = o.tenant_id AND t.is_active"
    " JOIN appointments a ON a.tenant_id = o.tenant_id AND a.id = o.appointment_id"
    " JOIN facilities f ON f.tenant_id = a.tenant_id AND f.id = a.facility_id"
    " JOIN patients p ON p.tenant_id = a.tenant_id AND p.id = a.patient_id WHERE o.id = $1",
)
