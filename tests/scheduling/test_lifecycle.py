"""The life of a visit through the public API: every step from every state, undo, no-shows."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from chroniccare.notifications import dispatch
from chroniccare.notifications.channels import choice
from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling.rules import STEPS, UNDO
from chroniccare.settings import Settings
from tests.client import Clinic
from tests.conftest import Running
from tests.notifications.support import NOON, Clock, clear_the_desk
from tests.scheduling.test_api import other, visit_body

START = NOON + timedelta(hours=1)
REASON = {"cancellation_reason": "Left before being seen"}
PATHS = {"check_in": "checkin", "no_show": "no-show"}
# How a visit is brought into each state, by steps that the tests below prove one by one.
WAYS: dict[str, list[str]] = {
    "scheduled": [],
    "confirmed": ["confirm"],
    "checked_in": ["check_in"],
    "in_progress": ["check_in", "start"],
    "completed": ["check_in", "start", "complete"],
    "cancelled": ["cancel"],
    "no_show": ["no_show"],
}


async def take(clinic: Clinic, visit: dict[str, Any], step: str, **options: Any) -> httpx.Response:
    """Take a step with a visit, or undo the last."""
    path = f"/appointments/{visit['id']}"
    if step == "cancel":
        return await clinic.delete(path, json=REASON, **options)
    return await clinic.post(f"{path}/{PATHS.get(step, step)}", **options)


async def booked(clinic: Clinic, **fields: Any) -> dict[str, Any]:
    body = await visit_body(clinic, **{"scheduled_start": START.isoformat(), **fields})
    return await clinic.make("/appointments", body)


async def visit_in(clinic: Clinic, clock: Clock, status: str) -> dict[str, Any]:
    """Return a visit in this state, five minutes after its start; a held one, five before."""
    visit = await booked(clinic)
    clock.at = START + timedelta(minutes=-5 if status == "held" else 5)
    if status == "held":
        async with begin(clinic.caller) as tx:
            until = clock.at + timedelta(minutes=10)
            await tx.run(Command("UPDATE appointments SET status = 'held', held_until = $1"), until)
        return await now_of(clinic, visit)
    for step in WAYS[status]:
        visit = (await take(clinic, visit, step)).json()["data"]
    assert visit["status"] == status
    return visit


async def now_of(clinic: Clinic, visit: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = (await clinic.get(f"/appointments/{visit['id']}")).json()["data"]
    return data


async def occupied(clinic: Clinic, visit: dict[str, Any]) -> int:
    async with begin(clinic.caller) as tx:
        statement = Command("SELECT count(*) FROM occupancy WHERE appointment_id::text = $1")
        return int(await tx.value(statement, visit["id"]))


STATES = ["held", *WAYS]
ALLOWED = [(state, step) for step, (sources, _) in STEPS.items() for state in sorted(sources)]
FORBIDDEN = [
    (state, step)
    for state in STATES
    for step in (*STEPS, "undo")
    if (state not in UNDO if step == "undo" else (state, step) not in ALLOWED)
    and (state, step) != ("cancelled", "cancel")  # cancelling again answers the same
]


@pytest.mark.parametrize(("state", "step"), ALLOWED)
async def test_an_allowed_step_is_taken(
    clinic: Clinic, clock: Clock, state: str, step: Any
) -> None:
    visit = await visit_in(clinic, clock, state)
    target = STEPS[step][1]
    response = await take(clinic, visit, step, headers={"If-Match": f'"{visit["version"]}"'})
    changed = response.json()["data"]
    assert response.status_code == 200
    assert response.headers["etag"] == f'"{changed["version"]}"'
    assert (changed["status"], changed["version"]) == (target, visit["version"] + 1)
    if step == "book":
        assert changed["held_until"] is None
    else:
        stamp = {"in_progress": "started_at"}.get(target, f"{target}_at")
        assert datetime.fromisoformat(changed[stamp]) == clock.at
    assert await now_of(clinic, visit) == changed
    free = target in {"cancelled", "no_show"}
    assert await occupied(clinic, visit) == (0 if free else 2)


@pytest.mark.parametrize(("state", "step"), FORBIDDEN)
async def test_a_forbidden_step_names_the_state_and_changes_nothing(
    clinic: Clinic, clock: Clock, state: str, step: str
) -> None:
    visit = await visit_in(clinic, clock, state)
    refused = await take(clinic, visit, step)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (409, "APPOINTMENT_STATE")
    assert state.replace("_", " ") in error["message"]
    assert [(d["field"], d["code"]) for d in error["details"]] == [("status", state)]
    assert await now_of(clinic, visit) == visit


@pytest.mark.parametrize(
    "steps",
    [
        ["check_in"],
        ["confirm", "check_in"],
        ["check_in", "start"],
        ["check_in", "complete"],
        ["check_in", "start", "complete"],
        ["no_show"],
        ["confirm", "no_show"],
    ],
)
async def test_undo_goes_back_to_the_state_before(
    clinic: Clinic, clock: Clock, steps: list[str]
) -> None:
    visit = await booked(clinic)
    clock.at = START + timedelta(minutes=5)
    for step in steps:
        before = await now_of(clinic, visit)
        assert (await take(clinic, visit, step)).status_code == 200
    clock.forward(minutes=14, seconds=59)
    undone = (await take(clinic, visit, "undo")).json()["data"]
    differing = {name for name in undone if undone[name] != before[name]}
    assert differing == {"version", "updated_at"}
    assert await occupied(clinic, visit) == 2


@pytest.mark.parametrize("state", sorted(UNDO))
async def test_after_the_window_nothing_is_undone(clinic: Clinic, clock: Clock, state: str) -> None:
    visit = await visit_in(clinic, clock, state)
    clock.forward(minutes=15)
    refused = await take(clinic, visit, "undo")
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "UNDO_EXPIRED"
    assert state.replace("_", " ") in refused.json()["error"]["message"]
    assert await now_of(clinic, visit) == visit


async def test_a_window_of_nothing_switches_undo_off(
    clinic: Clinic, clock: Clock, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = await visit_in(clinic, clock, "checked_in")
    held = running.platform.database
    monkeypatch.setattr(held, "settings", held.settings.model_copy(update={"undo_minutes": 0}))
    assert (await take(clinic, visit, "undo")).json()["error"]["code"] == "UNDO_EXPIRED"


async def test_a_no_show_whose_time_was_given_away_stays_one(clinic: Clinic, clock: Clock) -> None:
    body = await visit_body(clinic, scheduled_start=START.isoformat(), duration_minutes=60)
    visit = await clinic.make("/appointments", body)
    clock.at = START + timedelta(minutes=5)
    missed = (await take(clinic, visit, "no_show")).json()["data"]
    later = (START + timedelta(minutes=10)).isoformat()
    next_one = other(body, patient_id=(await clinic.patient())["id"], scheduled_start=later)
    await clinic.make("/appointments", next_one)
    refused = await take(clinic, visit, "undo")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "SLOT_TAKEN")
    assert [d["field"] for d in refused.json()["error"]["details"]] == ["provider_id"]
    assert await now_of(clinic, visit) == missed
    assert await occupied(clinic, visit) == 0


async def test_of_an_undone_no_show_and_a_rival_one_gets_the_time(
    clinic: Clinic, clock: Clock
) -> None:
    body = await visit_body(clinic, scheduled_start=START.isoformat(), duration_minutes=60)
    visit = await clinic.make("/appointments", body)
    clock.at = START + timedelta(minutes=5)
    await take(clinic, visit, "no_show")
    later = (START + timedelta(minutes=10)).isoformat()
    rivals = [
        other(body, patient_id=(await clinic.patient())["id"], scheduled_start=later)
        for _ in range(4)
    ]
    undone, *booked_ = await asyncio.gather(
        take(clinic, visit, "undo"), *(clinic.post("/appointments", rival) for rival in rivals)
    )
    assert [undone.status_code, *(answer.status_code for answer in booked_)].count(409) == 4
    state = (await now_of(clinic, visit))["status"]
    assert state == ("scheduled" if undone.status_code == 200 else "no_show")
    async with begin(clinic.caller) as tx:
        assert await tx.value(Command("SELECT count(*) FROM occupancy")) == 2


@pytest.mark.parametrize(
    ("step", "minutes", "status"),
    [
        ("check_in", -12 * 60 - 1, 422),
        ("check_in", -12 * 60, 200),
        ("check_in", 12 * 60 + 30, 200),
        ("check_in", 12 * 60 + 31, 422),
        ("no_show", -1, 422),
        ("no_show", 0, 422),
        ("no_show", 1, 200),
    ],
)
async def test_a_step_has_its_time(
    clinic: Clinic, clock: Clock, step: str, minutes: int, status: int
) -> None:
    clock.at = START - timedelta(days=1)
    visit = await booked(clinic)
    clock.at = START + timedelta(minutes=minutes)
    response = await take(clinic, visit, step)
    assert response.status_code == status
    if status == 422:
        assert [d["field"] for d in response.json()["error"]["details"]] == ["scheduled_start"]
        assert await now_of(clinic, visit) == visit


async def test_one_of_many_check_ins_wins(clinic: Clinic, clock: Clock) -> None:
    visit = await visit_in(clinic, clock, "scheduled")
    answers = await asyncio.gather(*(take(clinic, visit, "check_in") for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    assert (await now_of(clinic, visit))["version"] == 2


async def test_the_same_key_checks_in_once(clinic: Clinic, clock: Clock) -> None:
    visit = await visit_in(clinic, clock, "scheduled")
    headers = {"Idempotency-Key": "desk-1", "If-Match": '"1"'}
    answers = await asyncio.gather(
        *(take(clinic, visit, "check_in", headers=headers) for _ in range(4))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["etag"] for answer in answers} == {'"2"'}
    assert [a.headers.get("idempotent-replayed") for a in answers].count("true") == 3
    other_step = await take(clinic, visit, "start", headers=headers)
    assert other_step.json()["error"]["code"] == "IDEMPOTENCY_MISMATCH"


@pytest.mark.parametrize("step", [*STEPS, "undo"])
async def test_an_older_version_is_refused(clinic: Clinic, clock: Clock, step: str) -> None:
    visit = await visit_in(clinic, clock, "confirmed")
    refused = await take(clinic, visit, step, headers={"If-Match": '"1"'})
    assert refused.status_code == 412
    assert await now_of(clinic, visit) == visit


async def test_every_step_is_audited_and_emitted(clinic: Clinic, clock: Clock) -> None:
    visit = await visit_in(clinic, clock, "confirmed")
    steps = ["check_in", "start", "complete", "undo", "undo", "undo", "no_show"]
    for step in steps:
        assert (await take(clinic, visit, step)).status_code == 200
    listed = await clinic.get("/audit", params={"entity_id": visit["id"]})
    entries = [e for e in listed.json()["data"]["items"] if e["action"] != "read"][::-1]
    assert [entry["action"] for entry in entries] == ["create", "confirm", *steps]
    states = [
        tuple(entry["changes"][side]["status"] for side in ("before", "after"))
        for entry in entries[1:]
    ]
    assert states == [
        ("scheduled", "confirmed"), ("confirmed", "checked_in"), ("checked_in", "in_progress"),
        ("in_progress", "completed"), ("completed", "in_progress"), ("in_progress", "checked_in"),
        ("checked_in", "confirmed"), ("confirmed", "no_show"),
    ]  # fmt: skip
    async with begin(clinic.caller) as tx:
        events = await tx.values(
            Command("SELECT event_type FROM outbox WHERE entity_type = 'appointment' ORDER BY id")
        )
    kinds = ["created", "updated", "checked_in", "updated", "completed", *["updated"] * 3]
    assert events == [f"appointment.{kind}" for kind in [*kinds, "no_show"]]


async def reminders(clinic: Clinic, visit: dict[str, Any]) -> dict[float, str]:
    """Return the status of each message by the hours from its time on paper to the visit."""
    listed = await clinic.get(f"/patients/{visit['patient_id']}/notifications")
    start = datetime.fromisoformat(visit["scheduled_start"])
    return {
        (start - datetime.fromisoformat(m["scheduled_send_time"])) / timedelta(hours=1): m[
            "delivery_status"
        ]
        for m in listed.json()["data"]["items"]
    }


async def test_a_confirmed_visit_keeps_its_reminders_and_a_finished_one_does_not(
    clinic: Clinic, clock: Clock
) -> None:
    clock.at = START - timedelta(hours=96)
    visit = await booked(clinic)
    await take(clinic, visit, "confirm")
    assert await reminders(clinic, visit) == dict.fromkeys([96, 72, 24, 2], "pending")
    clock.at = START - timedelta(hours=3)
    await take(clinic, visit, "check_in")
    assert set((await reminders(clinic, visit)).values()) == {"pending"}
    await take(clinic, visit, "complete")
    assert set((await reminders(clinic, visit)).values()) == {"cancelled"}
    await take(clinic, visit, "undo")
    assert set((await reminders(clinic, visit)).values()) == {"cancelled"}
    # All of it was a mistake: what has not expired yet is sent after all.
    assert (await take(clinic, visit, "undo")).json()["data"]["status"] == "confirmed"
    assert await reminders(clinic, visit) == {
        96: "pending", 72: "cancelled", 24: "pending", 2: "pending"
    }  # fmt: skip


async def test_who_came_and_left_is_cancelled_and_told_nothing(
    clinic: Clinic, clock: Clock
) -> None:
    clock.at = START - timedelta(hours=3)
    visit = await booked(clinic)
    await take(clinic, visit, "check_in")
    gone = (await take(clinic, visit, "cancel")).json()["data"]
    assert gone["cancellation_reason"] == REASON["cancellation_reason"]
    assert set((await reminders(clinic, visit)).values()) == {"cancelled"}
    assert await occupied(clinic, visit) == 0


async def test_a_reminder_held_back_by_a_mistaken_check_in_is_sent_after_all(
    clinic: Clinic, clock: Clock, settings: Settings
) -> None:
    await clear_the_desk()
    clock.at = START - timedelta(hours=3)
    visit = await booked(clinic)
    async with choice.opened(settings) as channels:
        await dispatch.drain(channels)  # the confirmation
        clock.at = START - timedelta(hours=2, minutes=5)
        await take(clinic, visit, "check_in")
        clock.at = START - timedelta(hours=2)
        await dispatch.drain(channels)
        assert (await reminders(clinic, visit))[2] == "cancelled"
        clock.forward(minutes=5)
        await take(clinic, visit, "undo")
        await dispatch.drain(channels)
    assert await reminders(clinic, visit) == {3: "delivered", 2: "delivered"}
