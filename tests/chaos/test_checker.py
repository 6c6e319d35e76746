"""The judge sees what is put before it: each fault made by SQL is named, and nothing else is."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from chroniccare.platform.owner import owner_connection
from tests.chaos import checker, judge
from tests.chaos.checker import Violation
from tests.chaos.journal import Got, Journal, Sent
from tests.chaos.killer import Window
from tests.chaos.world import World
from tests.client import Clinic

NOON = datetime.now(UTC).replace(hour=16, minute=0, second=0, microsecond=0) + timedelta(days=20)
_MOVE = "UPDATE appointments SET scheduled_start = $2, scheduled_end = $3 WHERE id = $1"
_PARTY = {
    "provider": "UPDATE appointments SET provider_id = $2 WHERE id = $1",
    "nurse": "UPDATE appointments SET additional_provider_ids = ARRAY[$2::uuid] WHERE id = $1",
    "patient": "UPDATE appointments SET patient_id = $2 WHERE id = $1",
    "room": "UPDATE appointments SET resource_ids = ARRAY[$2::uuid] WHERE id = $1",
}
_SHORTER = (
    "UPDATE group_sessions SET duration_minutes = 20,"
    " scheduled_end = scheduled_start + interval '20 min' WHERE id = $1"
)
_OVERBOOK = {"allow": ["overbook"], "reason": "Test"}

Owner = asyncpg.Connection


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator["Owner[asyncpg.Record]"]:
    async with owner_connection(database_url) as connection:
        yield connection


async def booked(clinic: Clinic, hours: float, **more: Any) -> dict[str, Any]:
    """Book a visit of half an hour, with parties of its own unless told."""
    if "provider_id" not in more:
        provider = await clinic.provider()
        more["provider_id"] = provider["id"]
        more["facility_id"] = provider["facilities"][0]["facility_id"]
    body = {
        "appointment_type": "talk", "duration_minutes": 30,
        "scheduled_start": (NOON + timedelta(hours=hours)).isoformat(),
        "patient_id": (await clinic.patient())["id"], **more,
    }  # fmt: skip
    return await clinic.make("/appointments", body)


async def room(clinic: Clinic, facility_id: str) -> str:
    body = {
        "kind": "room", "facility_id": facility_id, "name": "Room", "category": "exam",
        "capacity": 1,
    }  # fmt: skip
    return str((await clinic.make("/resources", body))["id"])


async def put_at(owner: "Owner[asyncpg.Record]", visit: dict[str, Any], minutes: int) -> None:
    """Put a visit by SQL so many minutes after noon, which no API call would do."""
    start = NOON + timedelta(minutes=minutes)
    await owner.execute(_MOVE, UUID(visit["id"]), start, start + timedelta(minutes=30))


async def found(owner: "Owner[asyncpg.Record]", clinic: Clinic) -> dict[str, list[str]]:
    """Return what the checker says, by kind; what SQL did to occupancy is left out."""
    said: dict[str, list[str]] = {}
    for one in await checker.violations(owner, clinic.tenant_id):
        if one.kind != "occupancy astray":
            said.setdefault(one.kind, []).append(one.what)
    return said


@pytest.mark.parametrize(
    ("party", "kind"),
    [("provider", "provider"), ("nurse", "provider"), ("patient", "patient"), ("room", "room")],
)
@pytest.mark.parametrize("minutes", [-20, 0, 5, 29])
async def test_an_overlapping_pair_is_named(
    clinic: Clinic, owner: "Owner[asyncpg.Record]", party: str, kind: str, minutes: int
) -> None:
    first = await booked(clinic, 0)
    second = await booked(clinic, 3)
    who = await room(clinic, first["facility_id"]) if party == "room" else first[f"{kind}_id"]
    for visit in [second] if party != "room" else [first, second]:
        await owner.execute(_PARTY[party], UUID(visit["id"]), UUID(who))
    assert await found(owner, clinic) == {}
    await put_at(owner, second, 30)
    assert await found(owner, clinic) == {}  # back to back
    await put_at(owner, second, minutes)
    said = await found(owner, clinic)
    if party != "room":
        [pair] = said.pop("double booking")
        ids = sorted([first["id"], second["id"]])
        assert pair == f"{kind} {who} {ids[0]} {ids[1]}"
    crowd = said.pop("too many at once", [])
    if kind == "provider":  # who has a second lane, for what is booked over others
        assert crowd == []
    else:
        later = {0: [first, second], -20: [first]}.get(minutes, [second])
        assert sorted(crowd) == sorted(f"{kind} {who} {one['id']} 2" for one in later)
    assert said == {}


async def test_buffers_keep_providers_apart_and_not_patients(
    clinic: Clinic, owner: "Owner[asyncpg.Record]"
) -> None:
    first = await booked(clinic, 0)
    second = await booked(
        clinic, 3, provider_id=first["provider_id"], facility_id=first["facility_id"],
        patient_id=first["patient_id"],
    )  # fmt: skip
    await owner.execute(
        "UPDATE appointments SET buffer_after_minutes = 15 WHERE id = $1", UUID(first["id"])
    )
    await put_at(owner, second, 40)
    [pair] = (await found(owner, clinic))["double booking"]
    assert pair.startswith("provider ")
    await put_at(owner, second, 45)
    assert await found(owner, clinic) == {}


async def test_one_may_be_booked_over_another_and_no_third(
    clinic: Clinic, owner: "Owner[asyncpg.Record]"
) -> None:
    first = await booked(clinic, 0)
    place = {"provider_id": first["provider_id"], "facility_id": first["facility_id"]}
    await booked(clinic, 0.25, **place, override=_OVERBOOK)
    assert await found(owner, clinic) == {}
    third = await booked(clinic, 3, **place, override=_OVERBOOK)
    await put_at(owner, third, 20)
    assert list(await found(owner, clinic)) == ["too many at once"]


@pytest.mark.parametrize(
    "undone",
    [
        "UPDATE appointments SET status = 'cancelled' WHERE id = $1",
        "UPDATE appointments SET status = 'no_show' WHERE id = $1",
        "UPDATE appointments SET status = 'held', held_until = now() WHERE id = $1",
    ],
)
async def test_who_takes_no_time_is_in_nobodys_way(
    clinic: Clinic, owner: "Owner[asyncpg.Record]", undone: str
) -> None:
    first = await booked(clinic, 0)
    second = await booked(
        clinic, 3, provider_id=first["provider_id"], facility_id=first["facility_id"]
    )
    await put_at(owner, second, 5)
    assert list(await found(owner, clinic)) == ["double booking"]
    await owner.execute(undone, UUID(first["id"]))
    assert await found(owner, clinic) == {}


async def test_a_day_over_its_maximum_is_named(
    clinic: Clinic, owner: "Owner[asyncpg.Record]"
) -> None:
    first = await booked(clinic, 0)
    place = {"provider_id": first["provider_id"], "facility_id": first["facility_id"]}
    await booked(clinic, 1, **place)
    over = {"allow": ["daily_maximum"], "reason": "Test"}
    set_maximum = "UPDATE providers SET max_daily_capacity = $2 WHERE id = $1"
    await owner.execute(set_maximum, UUID(first["provider_id"]), 2)
    await booked(clinic, 2, **place, override=over)
    assert await found(owner, clinic) == {}
    await owner.execute(set_maximum, UUID(first["provider_id"]), 1)
    assert list(await found(owner, clinic)) == ["day over its maximum"]


@pytest.mark.parametrize(
    "done",
    [
        "UPDATE group_sessions SET seats = 1 WHERE id = $1",
        "UPDATE group_sessions SET status = 'cancelled' WHERE id = $1",
        _SHORTER,
    ],
)
async def test_seats_that_are_not_where_their_session_is_are_named(
    clinic: Clinic, owner: "Owner[asyncpg.Record]", done: str
) -> None:
    provider = await clinic.provider()
    session = await clinic.make(
        "/group-sessions",
        {
            "title": "Walking", "appointment_type": "talk", "seats": 2, "duration_minutes": 30,
            "scheduled_start": NOON.isoformat(), "provider_id": provider["id"],
            "facility_id": provider["facilities"][0]["facility_id"],
        },
    )  # fmt: skip
    for _ in range(2):
        seat = {"patient_id": (await clinic.patient())["id"]}
        await clinic.make(f"/group-sessions/{session['id']}/appointments", seat)
    assert await found(owner, clinic) == {}
    await owner.execute(done, UUID(session["id"]))
    assert list(await found(owner, clinic)) == ["seats astray"]


async def test_occupancy_that_leaks_or_lacks_is_named(
    clinic: Clinic, owner: "Owner[asyncpg.Record]"
) -> None:
    visit = await booked(clinic, 0)
    assert await checker.violations(owner, clinic.tenant_id) == []
    await owner.execute(
        "UPDATE occupancy SET ends_at = ends_at + interval '1 min' WHERE resource_id = $1",
        UUID(visit["patient_id"]),
    )
    seen = await checker.violations(owner, clinic.tenant_id)
    assert [(one.kind, one.what.split()[0]) for one in seen] == [
        ("occupancy astray", "missing"),
        ("occupancy astray", "leaked"),
    ]


async def test_a_change_that_the_audit_does_not_tell_is_named(
    clinic: Clinic, owner: "Owner[asyncpg.Record]"
) -> None:
    visit = await booked(clinic, 0)
    await owner.execute(
        "UPDATE appointments SET version = version + 1 WHERE id = $1", UUID(visit["id"])
    )
    assert list(await found(owner, clinic)) == ["history astray"]


async def test_a_hold_that_was_booked_too_late_is_named(
    clinic: Clinic, owner: "Owner[asyncpg.Record]"
) -> None:
    visit = await booked(clinic, 0, hold_minutes=1)
    assert (await clinic.post(f"/appointments/{visit['id']}/book")).status_code == 200
    assert await found(owner, clinic) == {}
    await owner.execute(
        "UPDATE audit_logs SET created_at = created_at + interval '1 min'"
        " WHERE entity_id = $1 AND action = 'book'",
        UUID(visit["id"]),
    )
    assert list(await found(owner, clinic)) == ["lapsed hold booked"]


async def test_a_key_that_booked_twice_is_named(
    clinic: Clinic, owner: "Owner[asyncpg.Record]"
) -> None:
    for hours, reason in ((0, "run-1"), (3, "run-2"), (6, "other-1"), (9, "other-1")):
        await booked(clinic, hours, reason=reason)
    assert await checker.keys_used_twice(owner, clinic.tenant_id, "run") == []
    await booked(clinic, 12, reason="run-2")
    assert await checker.keys_used_twice(owner, clinic.tenant_id, "run") == [
        Violation("key booked twice", "run-2 2")
    ]


def answer(number: int, status: int = 201, **more: Any) -> Got:
    told = {"code": "", "message": "", "seconds": 0.01, "at": 100.0, **more}
    return Got(number, status, **told)


async def heard(
    clinic: Clinic, owner: "Owner[asyncpg.Record]", folder: Path, answers: list[Got]
) -> list[str]:
    """Return the kinds of what is wrong with these answers, all to requests with one key."""
    world = World(
        0,
        "",
        str(clinic.tenant_id),
        "run",
        "",
        [],
        "",
        [],
        [],
        [],
        [],
        "",
        "",
        1,
        1,
        str(folder),
        "",
    )
    journal = Journal(world.journal(0))
    journal.open()
    for number in {one.number for one in answers} | {1}:
        journal.write(Sent(number, "create", "POST", "/appointments", "", "key", {}, 99.0))
    for one in answers:
        journal.write(one)
    told = await judge.heard(world, 1, [Window(200.0, 201.0)], owner)
    return [one.kind for one in told.violations]


async def test_what_clients_were_told_is_held_against_the_tables(
    clinic: Clinic, owner: "Owner[asyncpg.Record]", tmp_path: Path
) -> None:
    visit, other = await booked(clinic, 0), await booked(clinic, 3)
    seen = {name: visit[name] for name in ("id", "version", "status", "scheduled_start")}
    cases: list[tuple[list[Got], list[str]]] = [
        ([answer(1, visits=[seen])], []),
        ([answer(1, visits=[seen]), answer(2, visits=[seen])], []),
        ([answer(1, 503, at=200.5), answer(1, 0, at=200.9), answer(1, visits=[seen])], []),
        ([], ["never answered"]),
        ([answer(1, 503), answer(1)], ["unavailable while nothing was killed"]),
        ([answer(1, 0), answer(1)], ["unavailable while nothing was killed"]),
        ([answer(1, 500)], ["answer"]),
        ([answer(1, 400)], ["answer"]),
        ([answer(1, 409, message="deadlock detected")], ["deadlock told"]),
        ([answer(1, visits=[{**seen, "version": 2}])], ["acknowledged and lost"]),
        ([answer(1, visits=[{**seen, "id": visit["patient_id"]}])], ["acknowledged and lost"]),
        ([answer(1, visits=[{**seen, "status": "held"}])], ["acknowledged and otherwise"]),
        (
            [answer(1, visits=[{**seen, "scheduled_start": other["scheduled_start"]}])],
            ["acknowledged and otherwise"],
        ),
        (
            [answer(1, visits=[seen]), answer(2, visits=[{"id": other["id"], "version": 1}])],
            ["key answered differently"],
        ),
    ]  # fmt: skip
    for number, (answers, kinds) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert await heard(clinic, owner, folder, answers) == kinds, number


async def test_a_killed_clients_unanswered_requests_are_its_successors(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "client-0.jsonl")
    assert journal.open() == []
    sent = [
        Sent(journal.number(), "create", "POST", "/appointments", "{}", "key", {}, 1.0)
        for _ in range(3)
    ]
    for one in sent:
        journal.write(one)
    journal.write(answer(1))
    journal.write(answer(2, 503))
    successor = Journal(journal.path)
    assert successor.open() == sent[1:]
    assert successor.number() == 4
