"""SQL of series."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query
from chroniccare.scheduling.queries import GET, Appointment


@dataclass(frozen=True, slots=True)
class Series:
    """One series; field order is the wire's. `id` is None in a dry run alone."""

    id: UUID | None
    patient_id: UUID
    provider_id: UUID
    facility_id: UUID
    appointment_type: str
    series_name: str | None
    recurrence_pattern: str
    series_start_date: date
    series_end_date: date | None
    local_time: str
    time_zone: str
    duration_minutes: int
    rdates: list[str]
    exdates: list[str]
    mode: str
    split_from_id: UUID | None
    is_active: bool
    cancelled_at: datetime | None
    cancellation_reason: str | None
    total_appointments: int
    completed_appointments: int
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of a series."""

    appointment_id: UUID
    recurrence_id: datetime | None
    scheduled_start: datetime
    scheduled_end: datetime
    provider_id: UUID
    status: str
    series_exception: bool


_STORED = (
    "id patient_id provider_id facility_id appointment_type series_name recurrence_pattern"
    " series_start_date series_end_date local_time time_zone duration_minutes rdates exdates mode"
    " split_from_id is_active cancelled_at cancellation_reason"
)
_COLUMNS = (
    ", ".join(f"s.{name}" for name in _STORED.split()).replace(
        "s.local_time", "to_char(s.local_time, 'HH24:MI') AS local_time"
    )
    + ", visits.total_appointments, visits.completed_appointments, s.version, s.created_at,"
    " s.updated_at"
)
# Counted when it is read, from an index of this series alone: every step and its undo, whoever
# takes them, counts by itself.
_FROM = (
    "FROM appointment_series s CROSS JOIN LATERAL (SELECT"
    " (count(*) FILTER (WHERE a.status <> 'cancelled'))::int AS total_appointments,"
    " (count(*) FILTER (WHERE a.status = 'completed'))::int AS completed_appointments"
    " FROM appointments a WHERE a.series_id = s.id) visits"
)
GET_SERIES = Query(Series, f"SELECT {_COLUMNS} {_FROM} WHERE s.id = $1")
GET_SERIES_FOR_UPDATE = Query(Series, GET_SERIES.sql + " FOR NO KEY UPDATE OF s")
LIST = Query(
    Series,
    f"SELECT {_COLUMNS} {_FROM} WHERE s.patient_id = $1"
    " AND ($2::uuid IS NULL OR s.id > $2) ORDER BY s.id LIMIT $3",
)
VISITS = Query(
    Visit,
    "SELECT a.id AS appointment_id, a.recurrence_id, a.scheduled_start,"
    " a.scheduled_end, a.provider_id, a.status, a.series_exception"
    " FROM appointments a WHERE a.series_id = $1 ORDER BY a.scheduled_start, a.id",
)
# In the order of their ids, so that two who change the same visits take turns.
VISITS_FOR_UPDATE = Query(
    Appointment,
    GET.sql.replace("a.id = $1", "a.series_id = $1") + " ORDER BY a.id FOR NO KEY UPDATE",
)
# The zone decides the instants: it stays as it is until the commit.
ZONE = Command("SELECT timezone FROM facilities WHERE id = $1 AND deleted_at IS NULL FOR SHARE")
_TYPED = (
    "id uuid, patient_id uuid, provider_id uuid, facility_id uuid, appointment_type text,"
    " series_name text, recurrence_pattern text, series_start_date date, series_end_date date,"
    " local_time time, time_zone text, duration_minutes int, rdates text[], exdates text[],"
    " mode text, split_from_id uuid, is_active boolean, cancelled_at timestamptz,"
    " cancellation_reason text"
)
_WRITTEN = _STORED.replace(" ", ", ")
_WRITTEN_FROM = ", ".join(f"d.{name}" for name in _STORED.split())
INSERT = Command(
    f"INSERT INTO appointment_series (tenant_id, {_WRITTEN}, created_at, updated_at)"
    f" SELECT $2, {_WRITTEN_FROM}, $3, $3 FROM jsonb_to_record($1::jsonb) AS d ({_TYPED})"
)
_CHANGED = (
    "provider_id facility_id recurrence_pattern series_end_date local_time time_zone"
    " duration_minutes rdates exdates is_active cancelled_at cancellation_reason"
)
_SET = ", ".join(f"{name} = d.{name}" for name in _CHANGED.split())
UPDATE = Command(
    f"UPDATE appointment_series s SET {_SET}, version = s.version + 1, updated_at = $2"
    f" FROM jsonb_to_record($1::jsonb) AS d ({_TYPED}) WHERE s.id = d.id"
)
PATIENT_EXISTS = Command(
    "SELECT EXISTS (SELECT FROM patients WHERE id = $1 AND deleted_at IS NULL)"
)
