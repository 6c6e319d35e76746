"""The report against two others: the statement in docs/recall.md, and plain Python."""

import random
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from chroniccare.core.ids import new_id
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling.recall import rules
from tests.client import Clinic
from tests.notifications.support import NOON, Clock
from tests.scheduling.recall.support import call, code, recalled
from tests.scheduling.test_lifecycle import booked, take

ZONES = ["America/New_York", "Pacific/Kiritimati", "Asia/Kolkata", "Pacific/Honolulu"]
PERIOD = {"from_date": "2031-03-01", "to_date": "2031-03-31"}
FIRST, LAST = date(2031, 3, 1), date(2031, 3, 31)
ZERO = {"numerator": 0, "denominator": 0, "percent": None}


async def report(clinic: Clinic, **params: str) -> dict[str, Any]:
    answer = await clinic.get("/recalls/report", params={**PERIOD, **params})
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def pair(figure: dict[str, Any]) -> tuple[int, int]:
    return figure["numerator"], figure["denominator"]


async def test_a_clinic_without_recalls(clinic: Clinic) -> None:
    assert await report(clinic) == {
        **PERIOD, "facility_id": None, "return_days": 15, "overdue": 0, "called": ZERO,
        "returned": ZERO, "by_outcome": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("params", "fields"),
    [
        ({"from_date": "2031-03-01", "to_date": "2031-02-28"}, ["to_date"]),
        ({"from_date": "2031-03-01", "to_date": "2032-03-01"}, ["to_date"]),
        ({"from_date": "2031-03-01"}, ["to_date"]),
        ({"from_date": "1", "to_date": "soon"}, ["from_date", "to_date"]),
    ],
)
async def test_a_bad_period_is_named(
    clinic: Clinic, params: dict[str, str], fields: list[str]
) -> None:
    answer = await clinic.get("/recalls/report", params=params)
    assert code(answer) == (400, "VALIDATION_ERROR", fields)


@pytest.mark.parametrize(("days", "came"), [(None, 1), (14, 0)])
async def test_the_days_to_return_are_the_clinics(
    clinic: Clinic, clock: Clock, days: int | None, came: int
) -> None:
    if days is not None:
        policy = Command(
            "INSERT INTO scheduling_policies (tenant_id, recall_return_days, updated_at)"
            " VALUES ($1, $2, $3)"
        )
        async with begin(clinic.caller) as tx:
            await tx.run(policy, clinic.tenant_id, days, tx.now)
    clock.at = NOON - timedelta(days=10)
    made = await recalled(clinic, due=-20)
    clock.at = NOON
    assert (await call(clinic, made, "agreed_to_visit")).status_code == 200
    start = NOON + timedelta(days=15)
    visit = await booked(clinic, patient_id=made["patient_id"], scheduled_start=start.isoformat())
    clock.at = start
    await take(clinic, visit, "check_in")
    found = await report(clinic)
    assert found["return_days"] == (days or 15)
    assert (pair(found["called"]), pair(found["returned"])) == ((1, 1), (came, 1))
    [split] = found["by_outcome"]
    assert split["outcome"] == "agreed_to_visit"
    assert (pair(split["called"]), pair(split["returned"])) == ((1, 1), (came, 1))


async def test_who_has_no_phone_is_overdue_but_not_to_be_called(
    clinic: Clinic, clock: Clock
) -> None:
    clock.at = NOON - timedelta(days=10)
    silent = await clinic.patient(contact_info={})
    made = await recalled(clinic, due=-20, patient_id=silent["id"])
    await recalled(clinic, due=-20)
    removed = await recalled(clinic, due=-20)
    await call(clinic, removed, "removed", removed_reason="moved")
    clock.at = NOON
    await recalled(clinic, due=-20)  # opened when the period had begun
    await call(clinic, made, "agreed_to_visit")
    found = await report(clinic)
    assert (found["overdue"], pair(found["called"])) == (2, (0, 1))
    assert pair(found["returned"]) == (0, 0)
    assert found["returned"]["percent"] is None


@dataclass(slots=True)
class Story:
    """One recall with its calls and its patient's arrivals, as Python sees it."""

    zone: str
    facility: UUID
    phone: bool
    created: datetime
    closed: datetime | None
    due: date
    calls: list[tuple[datetime, str]]
    arrivals: list[datetime]


def told(stories: list[Story], facility: UUID | None, within: int) -> dict[str, Any]:
    """Return the report's counts by plain reasoning."""
    overdue = contactable = 0
    called: Counter[str] = Counter()
    came: Counter[str] = Counter()
    for one in stories:
        if facility not in {None, one.facility}:
            continue
        zone = ZoneInfo(one.zone)
        begins = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=zone)
        if not (one.created < begins and (one.closed is None or one.closed >= begins)):
            continue
        if not 1 <= (FIRST - one.due).days <= 365:
            continue
        overdue += 1
        if not one.phone:
            continue
        contactable += 1
        local = [(at, out) for at, out in one.calls if FIRST <= at.astimezone(zone).date() <= LAST]
        if local:
            at, outcome = min(local)
            called[outcome] += 1
            hours = [(arrival - at).total_seconds() / 3600 for arrival in one.arrivals]
            came[outcome] += any(0 < hour <= 24 * within for hour in hours)
    return {
        "overdue": overdue,
        "called": (called.total(), contactable),
        "returned": (came.total(), called.total()),
        "by_outcome": {outcome: (came[outcome], count) for outcome, count in called.items()},
    }


def counts(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "overdue": found["overdue"],
        "called": pair(found["called"]),
        "returned": pair(found["returned"]),
        "by_outcome": {one["outcome"]: pair(one["returned"]) for one in found["by_outcome"]},
    }


def story(chance: random.Random, facilities: list[UUID]) -> Story:
    """Return a recall whose instants crowd round the edges of the period."""

    def instant() -> datetime:
        edge = chance.choice([date(2031, 2, 10), FIRST, FIRST, date(2031, 3, 15), LAST, LAST])
        return datetime(edge.year, edge.month, edge.day, tzinfo=UTC) + timedelta(
            minutes=chance.randint(-3000, 3000)
        )

    number = chance.randrange(len(ZONES))
    created = instant() - timedelta(days=chance.choice([0, 5, 300]))
    calls: list[tuple[datetime, str]] = [
        (instant(), chance.choice(rules.OUTCOMES)) for _ in range(chance.randint(0, 3))
    ]
    arrivals = [instant() for _ in range(chance.randint(0, 2))]
    # And exactly at the edge of the days in which a return counts, and a second beyond.
    arrivals += [
        at + timedelta(days=15, seconds=chance.choice([0, 1])) for at, _ in calls[:1]
        if chance.random() < 0.5
    ]  # fmt: skip
    return Story(
        ZONES[number], facilities[number], chance.random() < 0.8, created,
        max(created, instant()) if chance.random() < 0.4 else None,
        FIRST - timedelta(days=chance.choice([-1, 0, 1, 1, 9, 40, 364, 365, 366])),
        calls, arrivals,
    )  # fmt: skip


_RECALL = Command(
    "INSERT INTO recalls (id, tenant_id, patient_id, facility_id, appointment_type, due_on,"
    " time_zone, due_at, status, closed_reason, closed_at, created_at, updated_at)"
    " VALUES ($1, $2, $3, $4, 'follow_up', $5, $6, $7, $8, $9, $10, $7, $7)"
)
_CALL = Command(
    "INSERT INTO recall_calls (id, tenant_id, recall_id, called_by, outcome, removed_reason,"
    " called_at) VALUES ($1, $2, $3, 'Ada', $4, $5, $6)"
)
_VISIT = Command(
    "INSERT INTO appointments (id, tenant_id, patient_id, provider_id, facility_id,"
    " appointment_type, scheduled_start, scheduled_end, duration_minutes, status, checked_in_at,"
    " created_at, updated_at) VALUES ($1, $2, $3, $4, $5, 'lab', $6::timestamptz,"
    " $6 + interval '30 minutes', 30, $7, $6, $6, $6)"
)


async def written(clinic: Clinic, stories: list[Story], provider: UUID) -> None:
    """Write the stories behind the API, which would not let anybody live in the past."""
    for one in stories:
        fields: dict[str, Any] = {} if one.phone else {"contact_info": {}}
        patient, recall = UUID((await clinic.patient(**fields))["id"]), new_id()
        closed = (None, None) if one.closed is None else ("other", one.closed)
        async with begin(clinic.caller) as tx:
            await tx.run(
                _RECALL, recall, clinic.tenant_id, patient, one.facility, one.due, one.zone,
                one.created, "closed" if one.closed else "open", *closed,
            )  # fmt: skip
            for at, outcome in one.calls:
                why = "other" if outcome == "removed" else None
                await tx.run(_CALL, new_id(), clinic.tenant_id, recall, outcome, why, at)
            for at in one.arrivals:
                await tx.run(
                    _VISIT, new_id(), clinic.tenant_id, patient, provider, one.facility, at,
                    "completed",
                )  # fmt: skip
            # Who was expected and did not come is no arrival, whatever is stamped.
            await tx.run(
                _VISIT, new_id(), clinic.tenant_id, patient, provider, one.facility,
                one.created + timedelta(days=9), "cancelled",
            )  # fmt: skip


async def by_the_document(clinic: Clinic, url: str, within: int) -> dict[str, Any]:
    """Run the statement of docs/recall.md with its variables filled in."""
    page = (Path(__file__).parents[3] / "docs" / "recall.md").read_text(encoding="utf-8")
    found = re.search(r"^```sql\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert found is not None
    values = {
        "tenant_id": f"'{clinic.tenant_id}'", "return_days": str(within),
        "from_date": f"date '{FIRST}'", "to_date": f"date '{LAST}'",
    }  # fmt: skip
    text = re.sub(r"(?<!:):([a-z_]+)\b", lambda name: f"({values[name[1]]})", found[1])
    async with owner_connection(url) as connection:
        row = await connection.fetchrow(text)
    assert row is not None
    return {
        "overdue": row["overdue"],
        "called": (row["called"], row["with_phone"]),
        "returned": (row["returned"], row["called"]),
    }


@pytest.mark.parametrize("seed", range(4))
async def test_the_figures_are_those_of_plain_sql_and_of_plain_python(
    clinic: Clinic, database_url: str, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311  histories, not secrets
    facilities = [UUID((await clinic.facility(timezone=zone))["id"]) for zone in ZONES]
    provider = UUID((await clinic.provider())["id"])
    stories = [story(chance, facilities) for _ in range(120)]
    await written(clinic, stories, provider)
    wanted = told(stories, None, 15)
    assert wanted["returned"][0] > 3  # the histories are worth comparing
    assert counts(await report(clinic)) == wanted
    sql = await by_the_document(clinic, database_url, 15)
    assert sql == {name: wanted[name] for name in sql}
    one = facilities[seed]
    assert counts(await report(clinic, facility_id=str(one))) == told(stories, one, 15)
