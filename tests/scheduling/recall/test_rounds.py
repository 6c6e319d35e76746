"""What the loop does: recalls for visits missed, closed for patients who came or are gone."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from chroniccare import worker
from chroniccare.notifications.channels import choice
from chroniccare.notifications.plan import LOOP
from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling import lapse
from chroniccare.scheduling.recall import queries, queries_loop, rounds
from chroniccare.settings import Settings
from tests.client import Clinic
from tests.conftest import Running
from tests.notifications.support import NOON, Clock, eventually
from tests.scheduling.recall.support import call, claim, code, day, listed, read, recalled
from tests.scheduling.recall.test_api import events
from tests.scheduling.test_lifecycle import booked, take

MISSED = NOON + timedelta(hours=2)
GRACE = timedelta(hours=1)


async def run(clinic: Clinic) -> tuple[int, int]:
    done = await rounds.run(clinic.tenant_id)
    return done.opened, done.closed


async def recalls(clinic: Clinic, **params: Any) -> list[dict[str, Any]]:
    params = {"status": "open", **params}
    items: list[dict[str, Any]] = (await clinic.get("/recalls", params=params)).json()["data"][
        "items"
    ]
    return items


async def missed(clinic: Clinic, clock: Clock, step: str = "no_show", **fields: Any) -> Any:
    """Return a visit that was missed two hours after noon."""
    visit = await booked(clinic, **fields)
    clock.at = MISSED
    assert (await take(clinic, visit, step)).is_success
    return visit


@pytest.mark.parametrize("step", ["no_show", "cancel"])
async def test_a_missed_visit_opens_a_recall_after_a_grace_time(
    clinic: Clinic, clock: Clock, step: str
) -> None:
    visit = await missed(clinic, clock, step, priority="high")
    clock.at = MISSED + GRACE - timedelta(seconds=1)
    assert await run(clinic) == (0, 0)
    clock.forward(seconds=1)
    assert await run(clinic) == (1, 0)
    assert await run(clinic) == (0, 0)
    [card] = await recalls(clinic)
    wanted = {
        "patient_id": visit["patient_id"], "provider_id": visit["provider_id"],
        "facility_id": visit["facility_id"], "appointment_type": visit["appointment_type"],
        "due_on": day(0), "high_risk": True, "source_appointment_id": visit["id"],
        "source": {"no_show": "no_show", "cancel": "cancelled"}[step],
    }  # fmt: skip
    assert {name: card[name] for name in wanted} == wanted
    assert await events(clinic) == [("recall.opened", {"version": 1})]
    logs = await clinic.get("/audit", params={"entity_id": card["id"], "action": "create"})
    [entry] = logs.json()["data"]["items"]
    assert (entry["user_type"], entry["changes"]["after"]["source"]) == ("system", card["source"])
    # A recall that was closed is not opened again for the same visit.
    await call(clinic, card, "removed", removed_reason="refused")
    assert await run(clinic) == (0, 0)


async def test_the_day_is_the_visits_own_where_it_was_to_be(clinic: Clinic, clock: Clock) -> None:
    place = await clinic.facility(timezone="Pacific/Kiritimati")
    provider = await clinic.provider(facilities=[{"facility_id": place["id"], "is_primary": True}])
    start = (NOON + timedelta(days=60)).isoformat()
    visit = await booked(
        clinic, provider_id=provider["id"], facility_id=place["id"], scheduled_start=start
    )
    await take(clinic, visit, "cancel")
    clock.forward(hours=2)
    assert await run(clinic) == (1, 0)
    [card] = await recalls(clinic)
    assert (card["due_on"], card["time_zone"]) == (day(61), "Pacific/Kiritimati")
    assert await listed(clinic) == []  # not before that day


async def test_who_has_another_visit_booked_needs_no_recall(clinic: Clinic, clock: Clock) -> None:
    visit = await booked(clinic)
    later = (NOON + timedelta(days=9)).isoformat()
    other = await booked(clinic, patient_id=visit["patient_id"], scheduled_start=later)
    clock.at = MISSED
    await take(clinic, visit, "no_show")
    clock.forward(hours=2)
    assert await run(clinic) == (0, 0)
    await take(clinic, other, "cancel")  # which is looked at by itself
    clock.forward(hours=2)
    assert await run(clinic) == (1, 0)


@pytest.mark.parametrize("minutes", [0, 20])
async def test_who_came_all_the_same_needs_no_recall(
    clinic: Clinic, clock: Clock, minutes: int
) -> None:
    visit = await booked(clinic)
    walk_in = (MISSED + timedelta(minutes=30)).isoformat()
    other = await booked(clinic, patient_id=visit["patient_id"], scheduled_start=walk_in)
    clock.at = MISSED
    await take(clinic, other, "check_in")
    clock.forward(minutes=minutes)  # the no-show may be noted after the patient has come
    await take(clinic, visit, "no_show")
    clock.forward(hours=2)
    assert await run(clinic) == (0, 0)


async def test_who_was_taken_off_the_list_is_not_put_back_by_an_older_booking(
    clinic: Clinic, clock: Clock
) -> None:
    visit = await booked(clinic)
    made = await recalled(clinic, patient_id=visit["patient_id"], appointment_type="lab")
    await call(clinic, made, "removed", removed_reason="dead")
    clock.at = MISSED
    await take(clinic, visit, "no_show")
    newer = await booked(clinic, patient_id=visit["patient_id"], scheduled_start=day(1) + "T17:00Z")
    clock.forward(hours=2)
    assert await run(clinic) == (0, 0)
    await take(clinic, newer, "cancel")
    clock.forward(hours=2)
    assert await run(clinic) == (1, 0)


async def test_a_patient_gets_one_recall_for_many_missed_visits(
    clinic: Clinic, clock: Clock
) -> None:
    visit = await booked(clinic)
    for hours in (2, 3):
        start = (NOON + timedelta(hours=hours)).isoformat()
        other = await booked(clinic, patient_id=visit["patient_id"], scheduled_start=start)
        await take(clinic, other, "cancel")
    await take(clinic, visit, "cancel")
    clock.forward(hours=2)
    assert await run(clinic) == (1, 0)
    assert len(await recalls(clinic)) == 1


async def test_an_undone_no_show_opens_nothing_until_it_is_one_again(
    clinic: Clinic, clock: Clock
) -> None:
    visit = await missed(clinic, clock)
    clock.forward(minutes=14)
    assert (await take(clinic, visit, "undo")).is_success
    clock.forward(hours=2)
    assert await run(clinic) == (0, 0)
    await take(clinic, visit, "no_show")
    clock.forward(hours=1)
    assert await run(clinic) == (1, 0)


async def test_a_visit_looked_at_undone_and_missed_again_is_looked_at_again(
    clinic: Clinic, clock: Clock, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = running.platform.database.settings.model_copy(update={"undo_minutes": 1440})
    visit = await missed(clinic, clock)
    clock.forward(hours=2)
    assert await run(clinic) == (1, 0)
    [card] = await recalls(clinic)
    await call(clinic, card, "removed", removed_reason="already_visited")
    monkeypatch.setattr(running.platform.database, "settings", long)
    assert (await take(clinic, visit, "undo")).is_success
    assert (await take(clinic, visit, "no_show")).is_success
    clock.forward(hours=23)
    assert await run(clinic) == (0, 0)  # it could still be undone
    clock.forward(hours=1)
    assert await run(clinic) == (1, 0)


async def test_of_many_visits_cancelled_at_once_the_first_says_when(
    clinic: Clinic, clock: Clock
) -> None:
    patient = (await clinic.patient())["id"]
    for days in (9, 4, 30):
        start = (NOON + timedelta(days=days)).isoformat()
        visit = await booked(clinic, patient_id=patient, scheduled_start=start)
        await take(clinic, visit, "cancel")
    clock.forward(hours=2)
    assert await run(clinic) == (1, 0)
    assert [card["due_on"] for card in await recalls(clinic)] == [day(4)]


@pytest.mark.parametrize(
    ("outcome", "back"), [("agreed_to_visit", True), ("remind_to_call_later", False)]
)
async def test_who_agreed_and_stayed_away_is_called_again_now(
    clinic: Clinic, clock: Clock, outcome: str, back: bool
) -> None:
    made = await recalled(clinic)
    bystander = await recalled(clinic)
    await call(clinic, bystander, "agreed_to_visit")
    await call(clinic, made, outcome)
    await missed(clinic, clock, patient_id=made["patient_id"])
    clock.forward(hours=2)
    assert await run(clinic) == (0, 0)  # it is on the list already
    assert await listed(clinic) == ([made["id"]] if back else [])
    logs = await clinic.get("/audit", params={"entity_id": made["id"], "action": "relist"})
    assert len(logs.json()["data"]["items"]) == int(back)


async def test_who_agreed_after_staying_away_is_left_in_peace(clinic: Clinic, clock: Clock) -> None:
    made = await recalled(clinic)
    await missed(clinic, clock, patient_id=made["patient_id"])
    clock.forward(minutes=5)
    await call(clinic, made, "agreed_to_visit")
    clock.forward(hours=2)
    assert await run(clinic) == (0, 0)
    assert await listed(clinic) == []


async def test_a_hold_hides_the_patient_and_opens_nothing_when_it_lapses(
    clinic: Clinic, clock: Clock
) -> None:
    made = await recalled(clinic)
    start = (NOON + timedelta(days=3)).isoformat()
    held = await booked(
        clinic, patient_id=made["patient_id"], scheduled_start=start, hold_minutes=30,
        appointment_type="lab",
    )  # fmt: skip
    assert held["status"] == "held"
    assert await listed(clinic) == []
    clock.forward(minutes=30)
    assert await listed(clinic) == [made["id"]]
    assert await lapse.sweep(clinic.tenant_id) == 1
    clock.forward(hours=2)
    assert await run(clinic) == (0, 0)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"is_active": False}, "patient_inactive"),
        ({"treatment_status": "inactive"}, "patient_inactive"),
        ({"treatment_status": "deceased", "is_active": False}, "patient_deceased"),
        (None, "patient_removed"),
    ],
)
async def test_a_patient_who_is_gone_is_no_longer_due(
    clinic: Clinic, clock: Clock, fields: dict[str, Any] | None, reason: str
) -> None:
    body = clinic.patient_body()
    patient = await clinic.make("/patients", body)
    visit = await booked(clinic, patient_id=patient["id"])
    made = await recalled(clinic, patient_id=patient["id"], appointment_type="lab")
    assert await run(clinic) == (0, 0)
    await take(clinic, visit, "cancel")
    clock.forward(minutes=5)
    path = f"/patients/{patient['id']}"
    done = await (clinic.delete(path) if fields is None else clinic.put(path, {**body, **fields}))
    assert done.is_success
    clock.forward(hours=2)
    assert await run(clinic) == (0, 1)
    [closed] = await recalls(clinic, status="closed")
    assert (closed["id"], closed["closed_reason"]) == (made["id"], reason)
    assert (await events(clinic))[-1] == ("recall.closed", {"version": 2})
    logs = await clinic.get("/audit", params={"entity_id": made["id"], "action": "close"})
    [entry] = logs.json()["data"]["items"]
    before = entry["changes"]["before"]
    assert (before["status"], before["closed_at"], before["version"]) == ("open", None, 1)


async def arrived(clinic: Clinic, clock: Clock, patient_id: str, **fields: Any) -> None:
    start = clock.at + timedelta(hours=1)
    visit = await booked(clinic, patient_id=patient_id, scheduled_start=start.isoformat(), **fields)
    assert (await take(clinic, visit, "check_in")).is_success


async def test_who_has_come_is_closed_once_it_cannot_be_undone(
    clinic: Clinic, clock: Clock
) -> None:
    made = await recalled(clinic)
    await arrived(clinic, clock, made["patient_id"], appointment_type="lab")
    late = await recalled(clinic, patient_id=made["patient_id"], appointment_type="lab")
    clock.forward(minutes=14)
    assert await run(clinic) == (0, 0)
    clock.forward(minutes=1)
    assert await run(clinic) == (0, 2)  # the second was opened at the instant of the check-in
    assert await run(clinic) == (0, 0)
    closed = await read(clinic, made)
    assert (closed["closed_reason"], closed["version"]) == ("returned", 2)
    assert (await read(clinic, late))["status"] == "closed"


async def test_a_visit_before_the_recall_closes_nothing(clinic: Clinic, clock: Clock) -> None:
    patient = await clinic.patient()
    await arrived(clinic, clock, patient["id"])
    clock.forward(seconds=1)
    made = await recalled(clinic, patient_id=patient["id"])
    clock.forward(hours=1)
    assert await run(clinic) == (0, 0)
    assert (await read(clinic, made))["status"] == "open"


@pytest.mark.parametrize(("kind", "closed"), [("follow_up", 1), ("lab", 0)])
async def test_before_its_day_only_a_visit_of_the_same_kind_answers_a_recall(
    clinic: Clinic, clock: Clock, kind: str, closed: int
) -> None:
    made = await recalled(clinic, due=1)
    clock.at = datetime.fromisoformat(day(1) + "T04:30:00+00:00")  # 23:30 of the day before
    await arrived(clinic, clock, made["patient_id"], appointment_type=kind)
    clock.forward(hours=1)
    assert await run(clinic) == (0, closed)
    await arrived(clinic, clock, made["patient_id"], appointment_type=kind)
    clock.forward(hours=1)
    assert await run(clinic) == (0, 1 - closed)


async def test_who_is_being_called_is_closed_only_after_the_call(
    clinic: Clinic, clock: Clock
) -> None:
    made = await recalled(clinic)
    await arrived(clinic, clock, made["patient_id"])
    clock.forward(minutes=10)
    await claim(clinic, recall_id=made["id"])
    clock.forward(minutes=10)
    assert await run(clinic) == (0, 0)
    body = {"worker": "Ada", "outcome": "agreed_to_visit"}
    assert (await clinic.post(f"/recalls/{made['id']}/calls", body)).status_code == 200
    assert await run(clinic) == (0, 1)
    assert code(await clinic.post(f"/recalls/{made['id']}/calls", body))[1] == "RECALL_CLOSED"


async def test_what_somebody_has_locked_is_left_to_a_later_round(
    clinic: Clinic, clock: Clock
) -> None:
    made = await recalled(clinic)
    await arrived(clinic, clock, made["patient_id"])
    visit = await booked(clinic, scheduled_start=(clock.at + timedelta(days=1)).isoformat())
    await take(clinic, visit, "cancel")
    clock.forward(hours=2)
    async with begin(clinic.caller) as tx:
        await tx.one(queries.GET_FOR_UPDATE, made["id"])
        lock = Command("SELECT id FROM appointments WHERE id::text = $1 FOR UPDATE")
        await tx.value(lock, visit["id"])
        async with asyncio.timeout(1.5):
            assert await run(clinic) == (0, 0)
    clock.forward(hours=20)
    assert await run(clinic) == (1, 1)


async def test_many_rounds_at_once_do_the_work_of_one(
    clinic: Clinic, other_clinic: Clinic, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "_BATCH", 2)
    for hours in range(5):
        start = (MISSED + timedelta(days=1, hours=hours)).isoformat()
        await take(clinic, await booked(clinic, scheduled_start=start), "cancel")
    for _ in range(5):
        made = await recalled(clinic)
        await arrived(clinic, clock, made["patient_id"])
    theirs = await recalled(other_clinic)
    clock.forward(hours=2)
    done = await asyncio.gather(*(rounds.run(clinic.tenant_id) for _ in range(4)))
    more = await rounds.run(clinic.tenant_id)
    assert sum(one.opened for one in done) + more.opened == 5
    assert sum(one.closed for one in done) + more.closed == 5
    assert len(await recalls(clinic)) == 5
    assert (await read(other_clinic, theirs))["status"] == "open"


async def test_an_idle_round_looks_at_nothing_again(clinic: Clinic, clock: Clock) -> None:
    await missed(clinic, clock)
    clock.forward(hours=2)
    await run(clinic)
    async with begin(clinic.caller) as tx:
        assert await tx.all(queries_loop.MISSED, tx.now, tx.now, 9, "") == []
        assert await tx.value(Command("SELECT looked_at FROM recall_looks")) == clock.at


async def test_the_worker_runs_the_rounds(
    clinic: Clinic, clock: Clock, settings: Settings, running: Running
) -> None:
    del running
    await missed(clinic, clock)
    clock.forward(hours=2)
    stop, bells = asyncio.Event(), {LOOP: asyncio.Event()}
    async with choice.opened(settings) as channels:
        loop = worker.loops(settings, channels, bells, stop)["recall"]
        task = asyncio.create_task(worker.keep({"recall": loop}, stop))

        async def opened() -> bool:
            return len(await recalls(clinic)) == 1

        await eventually(opened)
        stop.set()
        await task
