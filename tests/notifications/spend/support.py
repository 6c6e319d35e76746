"""What the tests of the budget share."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Query, begin
from tests.notifications.support import Bench

FREE: dict[str, Any] = {"monthly_segments": None, "monthly_amount": None}


@dataclass(frozen=True, slots=True)
class Sums:
    messages: int
    segments: int
    micros: int


@dataclass(frozen=True, slots=True)
class Told:
    event_type: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    status: str
    channel: str
    segments: int | None
    country: str | None


_COUNTERS = Query(
    Sums,
    "SELECT coalesce(sum(messages), 0)::bigint AS messages,"
    " coalesce(sum(segments), 0)::bigint AS segments, coalesce(sum(micros), 0)::bigint AS micros"
    " FROM spend_days",
)
_LEDGER = Query(
    Sums,
    "SELECT count(*) AS messages, coalesce(sum(segments), 0)::bigint AS segments,"
    " coalesce(sum(micros), 0)::bigint AS micros FROM notification_attempts"
    " WHERE segments IS NOT NULL AND status NOT IN ('rejected', 'transient')",
)
_ENTRIES = Query(
    Entry,
    "SELECT status, channel, segments, country FROM notification_attempts ORDER BY id",
)
_TOLD = Query(
    Told,
    "SELECT event_type, payload FROM outbox WHERE event_type LIKE 'spend.%' ORDER BY id",
)


async def limit(bench: Bench, **fields: Any) -> dict[str, Any]:
    """Set the limits of the clinic and return them."""
    response = await bench.clinic.put("/spend/limits", FREE | fields)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["data"]
    return found


async def spend(bench: Bench) -> dict[str, Any]:
    """Return what the API says about the spending."""
    response = await bench.clinic.get("/spend")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["data"]
    return found


async def this_month(bench: Bench) -> dict[str, Any]:
    month: dict[str, Any] = (await spend(bench))["months"][0]
    return month


async def entries(bench: Bench) -> list[Entry]:
    async with begin(bench.clinic.caller) as tx:
        return await tx.all(_ENTRIES)


async def told(bench: Bench) -> list[Told]:
    async with begin(bench.clinic.caller) as tx:
        return await tx.all(_TOLD)


async def check_ledger(bench: Bench) -> Sums:
    """The counters say what the entries add up to; return that."""
    async with begin(bench.clinic.caller) as tx:
        counters, ledger = await tx.one(_COUNTERS), await tx.one(_LEDGER)
    assert counters == ledger
    assert ledger is not None
    return ledger


async def by_phone(bench: Bench, count: int, number: str = "+1415556") -> list[UUID]:
    """Register patients who have a phone and nothing else."""
    return [
        await bench.patient(
            contact_info={"telecom": [{"system": "phone", "value": f"{number}{n:04d}"}]}
        )
        for n in range(count)
    ]
