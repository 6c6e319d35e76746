"""SQL of limits and of what was spent. What an attempt costs is written with the attempt."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tenant set; prices and amounts in millionths, countries by ISO code."""

    monthly_segments: int | None
    monthly_micros: int | None
    currency: str
    alert_percent: int
    daily_segments: int | None
    countries: dict[str, Any] | None
    segment_micros: int | None
    version: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Used:
    """What a country has taken in a month, and on the last day of it that was asked for."""

    country: str
    segments: int
    micros: int
    today: int


@dataclass(frozen=True, slots=True)
class Month:
    """What a UTC month has taken."""

    month: date
    messages: int
    segments: int
    micros: int


@dataclass(frozen=True, slots=True)
class Reserved:
    """What of a month nobody has decided about: not answered yet, or in doubt."""

    month: date
    segments: int
    micros: int


@dataclass(frozen=True, slots=True)
class Told:
    """What was told about a month, and when."""

    month: date
    alerted_at: datetime | None
    exhausted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Lately:
    """What all SMS since a day took."""

    messages: int
    segments: int
    micros: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What went out on a UTC day, or to a country."""

    key: str
    messages: int
    segments: int
    micros: int


# --- limits -------------------------------------------------------------------------------------

_LIMITS = (
    "SELECT monthly_segments, monthly_micros, currency, alert_percent, daily_segments, countries,"
    " segment_micros, version, updated_at FROM spend_limits"
)
LIMITS = Query(Limits, _LIMITS)
# Batches of a tenant wait for each other here. What was used is read by a statement of its own
# behind it: the snapshot of this one was taken before it waited.
LOCK_LIMITS = Query(Limits, f"{_LIMITS} FOR UPDATE")
OPEN_LIMITS = Command(
    "INSERT INTO spend_limits (tenant_id, updated_at) VALUES ($1, $2) ON CONFLICT DO NOTHING"
)
SET_LIMITS = Command(
    "UPDATE spend_limits SET monthly_segments = $1, monthly_micros = $2, currency = $3,"
    " alert_percent = $4, daily_segments = $5, countries = $6, segment_micros = $7,"
    " version = version + 1, updated_at = $8"
)
HOME = Command(
    "SELECT DISTINCT address ->> 'country' AS country FROM facilities WHERE deleted_at IS NULL"
    " AND address ->> 'country' IS NOT NULL ORDER BY 1"
)
# Put to sleep by a limit that is another one now.
WAKE_HELD = Command(
    "UPDATE notifications SET next_attempt_at = $1, updated_at = $1"
    " WHERE delivery_status = 'held' AND next_attempt_at > $1"
    " AND delivery_details ->> 'reason' = ANY ($2::text[])"
)

# --- what was told ------------------------------------------------------------------------------

# A row comes back for who is the first to tell.
ALERT = Command(
    "INSERT INTO spend_months AS m (id, tenant_id, month, alerted_at) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (tenant_id, month) DO UPDATE SET alerted_at = $4 WHERE m.alerted_at IS NULL"
    " RETURNING m.id"
)
EXHAUST = Command(
    "INSERT INTO spend_months AS m (id, tenant_id, month, exhausted_at) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (tenant_id, month) DO UPDATE SET exhausted_at = $4 WHERE m.exhausted_at IS NULL"
    " RETURNING m.id"
)
UNTELL = Command(
    "UPDATE spend_months SET alerted_at = CASE WHEN $2 THEN NULL ELSE alerted_at END,"
    " exhausted_at = CASE WHEN $3 THEN NULL ELSE exhausted_at END WHERE month = $1"
)

# What a provider charges in place of what was reserved; of an SMS alone, and money of our currency.
BILL = Command(
    "UPDATE notification_attempts a SET segments = b.segments, micros = b.micros"
    " FROM (SELECT o.id, coalesce(d.segments, o.segments) AS segments,"
    " CASE WHEN d.dollars AND EXISTS (SELECT FROM spend_limits l WHERE l.currency <> 'USD')"
    " THEN o.micros ELSE coalesce(d.micros, o.micros) END AS micros"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, segments smallint, micros bigint,"
    " dollars boolean) JOIN notification_attempts o ON o.id = d.id) b"
    " WHERE a.id = b.id AND a.segments IS NOT NULL"
    " AND (a.segments <> b.segments OR a.micros <> b.micros)"
)

# --- figures ------------------------------------------------------------------------------------

USED = Query(
    Used,
    "SELECT country, sum(segments)::bigint AS segments, sum(micros)::bigint AS micros,"
    " coalesce(sum(segments) FILTER (WHERE day = $2), 0)::bigint AS today FROM spend_days"
    " WHERE day >= $1 AND day <= $2 GROUP BY country",
)
MONTHS = Query(
    Month,
    "SELECT date_trunc('month', day::timestamp)::date AS month, sum(messages)::bigint AS messages,"
    " sum(segments)::bigint AS segments, sum(micros)::bigint AS micros FROM spend_days"
    " WHERE day >= $1 GROUP BY 1",
)
RESERVED = Query(
    Reserved,
    "SELECT date_trunc('month', spend_day::timestamp)::date AS month,"
    " sum(segments)::bigint AS segments, sum(micros)::bigint AS micros FROM notification_attempts"
    " WHERE segments IS NOT NULL AND status IN ('prepared', 'in_flight', 'unknown')"
    " AND spend_day >= $1 GROUP BY 1",
)
TOLD = Query(Told, "SELECT month, alerted_at, exhausted_at FROM spend_months WHERE month >= $1")
_ENTRIES = (
    "sum(messages)::bigint AS messages, sum(segments)::bigint AS segments,"
    " sum(micros)::bigint AS micros FROM spend_days WHERE day >= $1 AND day < $2"
    " AND messages > 0 AND ($3::text IS NULL OR country = $3) GROUP BY 1 ORDER BY 1"
)
BY_DAY = Query(Entry, f"SELECT to_char(day, 'YYYY-MM-DD') AS key, {_ENTRIES}")
BY_COUNTRY = Query(Entry, f"SELECT country AS key, {_ENTRIES}")
PLANNED = Command(
    "SELECT count(*) FROM notifications WHERE channel = 'sms'"
    " AND delivery_status IN ('pending', 'held', 'queued') AND next_attempt_at < $1"
)
LATELY = Query(
    Lately,
    "SELECT coalesce(sum(messages), 0)::bigint AS messages,"
    " coalesce(sum(segments), 0)::bigint AS segments, coalesce(sum(micros), 0)::bigint AS micros"
    " FROM spend_days WHERE day >= $1",
)
