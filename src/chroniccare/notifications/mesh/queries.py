"""SQL of drivers: how many of their messages arrive, and what each process knows of them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Arrived:
    """How many messages a driver took in a stretch of time, and how many have not arrived."""

    channel: str
    driver: str
    taken: int
    late: int


@dataclass(frozen=True, slots=True)
class State:
    """A driver in one worker process; see `rules.Breaker` for what `state` means."""

    process: UUID
    channel: str
    driver: str
    state: str
    reason: str | None
    until: datetime | None
    weight: int
    eased: int
    parts_per_second: int
    updated_at: datetime


# Over all tenants: whom a driver fails is no matter. $3: drivers whose provider tells.
HEALTH = Query(
    Arrived,
    "SELECT channel, driver, count(*) AS taken,"
    " count(*) FILTER (WHERE status <> 'delivered') AS late FROM notification_attempts"
    " WHERE started_at > $1 AND started_at <= $2 AND driver = ANY ($3::text[])"
    " AND status IN ('accepted', 'delivered', 'undelivered') GROUP BY channel, driver",
)
SAVE = Command(
    "INSERT INTO driver_states (process, channel, driver, state, reason, until, weight, eased,"
    " parts_per_second, updated_at) SELECT $2, d.channel, d.driver, d.state, d.reason, d.until,"
    " d.weight, d.eased, d.parts_per_second, $3 FROM jsonb_to_recordset($1::jsonb) AS d"
    " (channel text, driver text, state text, reason text, until timestamptz, weight int,"
    " eased int, parts_per_second int) ON CONFLICT (process, channel, driver) DO UPDATE SET"
    " state = excluded.state, reason = excluded.reason, until = excluded.until,"
    " weight = excluded.weight, eased = excluded.eased,"
    " parts_per_second = excluded.parts_per_second, updated_at = excluded.updated_at"
)
FORGET = Command("DELETE FROM driver_states WHERE process = $1::uuid OR updated_at < $2")
STATES = Query(
    State,
    "SELECT process, channel, driver, state, reason, until, weight, eased, parts_per_second,"
    " updated_at FROM driver_states WHERE updated_at >= $1 ORDER BY channel, driver, process",
)
