"""SQL of what the loop does for recalls by itself: set by set, one statement a batch."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query
from chroniccare.scheduling.recall.queries import RETURNING, Recall


@dataclass(frozen=True, slots=True)
class Missed:
    """A visit that was missed or cancelled; `is_wanted` when its patient should be called."""

    id: UUID
    patient_id: UUID
    provider_id: UUID
    facility_id: UUID
    appointment_type: str
    scheduled_start: datetime
    status: str
    priority: str
    ended_at: datetime
    time_zone: str
    is_wanted: bool


@dataclass(frozen=True, slots=True)
class Look:
    """Until when arrivals and patients have been looked at; None: never."""

    looked_at: datetime | None


_ENDED = "coalesce(a.no_show_at, a.cancelled_at)"
_CAME = "('checked_in', 'in_progress', 'completed')"
# A visit is worth a call when the patient can still come, has not come since, has nothing booked,
# was not taken off the list since the visit was booked, and the day is not too long ago to be
# listed; a hold that lapsed ($4) never was a visit. Visits that somebody is changing are left to
# the next round.
MISSED = Query(
    Missed,
    "SELECT a.id, a.patient_id, a.provider_id, a.facility_id, a.appointment_type,"
    " a.scheduled_start, a.status, a.priority,"
    f" {_ENDED} AS ended_at, f.timezone AS time_zone,"
    " a.scheduled_start > $1::timestamptz - interval '365 days'"
    " AND EXISTS (SELECT FROM patients p WHERE p.id = a.patient_id AND p.deleted_at IS NULL"
    " AND p.is_active AND p.treatment_status NOT IN ('deceased', 'inactive'))"
    " AND NOT EXISTS (SELECT FROM appointments v WHERE v.patient_id = a.patient_id"
    " AND v.scheduled_start > $1 - interval '24 hours' AND v.scheduled_end > $1"
    " AND v.status IN ('scheduled', 'confirmed'))"
    " AND NOT EXISTS (SELECT FROM appointments v WHERE v.patient_id = a.patient_id"
    f" AND v.status IN {_CAME} AND v.checked_in_at >= least(a.scheduled_start, {_ENDED}))"
    " AND NOT EXISTS (SELECT FROM recalls r WHERE r.patient_id = a.patient_id"
    " AND r.closed_at >= a.created_at AND r.closed_reason IN ('not_responding', 'refused',"
    " 'invalid_number', 'public_transfer', 'private', 'moved', 'dead', 'other'))"
    " AND a.cancellation_reason IS DISTINCT FROM $4::text AS is_wanted"
    " FROM appointments a JOIN facilities f ON f.id = a.facility_id"
    f" WHERE a.status IN ('no_show', 'cancelled') AND a.recall_seen_at IS DISTINCT FROM {_ENDED}"
    f" AND {_ENDED} <= $2 ORDER BY {_ENDED} LIMIT $3 FOR NO KEY UPDATE OF a SKIP LOCKED",
)
SEEN = Command(f"UPDATE appointments a SET recall_seen_at = {_ENDED} WHERE a.id = ANY($1::uuid[])")
# Who agreed to come, booked and stayed away is called again now and not after the 30 days.
BRING_FORWARD = Query(
    Recall,
    "UPDATE recalls r SET remind_on = NULL, version = r.version + 1, updated_at = $1"
    " FROM unnest($2::uuid[], $3::timestamptz[]) AS m (patient_id, ended_at)"
    " WHERE r.patient_id = m.patient_id AND r.status = 'open' AND r.remind_on IS NOT NULL"
    " AND (SELECT c.outcome = 'agreed_to_visit' AND c.called_at < m.ended_at FROM recall_calls c"
    f" WHERE c.recall_id = r.id ORDER BY c.called_at DESC, c.id DESC LIMIT 1){RETURNING}",
)
MAKE_LOOK = Command("INSERT INTO recall_looks (tenant_id) VALUES ($1) ON CONFLICT DO NOTHING")
# Whoever does not get the row leaves the round to the worker that has it.
LOOK = Query(Look, "SELECT looked_at FROM recall_looks FOR UPDATE SKIP LOCKED")
LOOKED = Command("UPDATE recall_looks SET looked_at = $1")
_CLOSABLE = "r.status = 'open' AND (r.claimed_until IS NULL OR r.claimed_until <= $1)"
_CLOSE = (
    " UPDATE recalls r SET status = 'closed', closed_reason = c.reason, closed_at = $1,"
    " claimed_by = NULL, claimed_key = NULL, claimed_until = NULL, version = r.version + 1,"
    f" updated_at = $1 FROM closing c WHERE r.id = c.id{RETURNING}"
)
# Before its day only a visit of the same kind answers a recall, from its day on any visit does.
# Who is being called at this moment is left alone: the caller has an outcome to write.
CLOSE_RETURNED = Query(
    Recall,
    "WITH closing AS (SELECT r.id, 'returned' AS reason FROM recalls r"
    f" WHERE {_CLOSABLE} AND r.id IN (SELECT r.id FROM appointments a JOIN recalls r"
    " ON r.patient_id = a.patient_id AND r.status = 'open' AND a.checked_in_at >= r.created_at"
    " AND (a.checked_in_at >= r.due_at OR a.appointment_type = r.appointment_type)"
    f" WHERE a.checked_in_at > $2 AND a.checked_in_at <= $3 AND a.status IN {_CAME})"
    f" LIMIT $4 FOR NO KEY UPDATE OF r SKIP LOCKED){_CLOSE}",
)
CLOSE_GONE = Query(
    Recall,
    "WITH closing AS (SELECT r.id, CASE WHEN p.deleted_at IS NOT NULL THEN 'patient_removed'"
    " WHEN p.treatment_status = 'deceased' THEN 'patient_deceased' ELSE 'patient_inactive' END"
    " AS reason FROM patients p JOIN recalls r ON r.patient_id = p.id"
    f" WHERE {_CLOSABLE} AND p.updated_at > $2 AND (p.deleted_at IS NOT NULL OR NOT p.is_active"
    " OR p.treatment_status IN ('deceased', 'inactive'))"
    f" LIMIT $3 FOR NO KEY UPDATE OF r SKIP LOCKED){_CLOSE}",
)
